import { createServer, get, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { Hub } from "../../src/web/hub.js";

interface Serving {
  readonly port: number;
  readonly hub: Hub;
}

/** Streams over real connections. */
async function serving(picture: () => unknown, commentMs = 60_000): Promise<Serving> {
  const hub = new Hub({ uuid: "i1", picture, commentMs });
  const server: Server = createServer((request, response) => {
    const last = request.headers["last-event-id"];
    if (!hub.open(response, typeof last === "string" ? last : undefined)) response.writeHead(503).end();
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  onTestFinished(async () => {
    hub.close();
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  });
  return { port: (server.address() as AddressInfo).port, hub };
}

/** A page: what it is sent, event by event. */
class Page {
  readonly #response: IncomingMessage;
  #text = "";
  #wake: () => void = () => undefined;

  private constructor(response: IncomingMessage) {
    this.#response = response;
    response.setEncoding("utf8").on("data", (chunk: string) => {
      this.#text += chunk;
      this.#wake();
    });
    response.on("error", () => undefined);
  }

  static open(port: number, lastEventId?: string): Promise<Page> {
    const headers = lastEventId === undefined ? {} : { "Last-Event-ID": lastEventId };
    return new Promise((done) => {
      get({ port, host: "127.0.0.1", headers, agent: false }, (response) => done(new Page(response)));
    });
  }

  get status(): number {
    return this.#response.statusCode ?? 0;
  }

  /** Resolves with the event that has the text in its data. */
  async event(text: string): Promise<{ readonly id: string; readonly name: string; readonly data: string }> {
    for (;;) {
      for (const block of this.#text.split("\n\n")) {
        const [, id = "", name = "", data = ""] = /id: (.*)\nevent: (.*)\ndata: (.*)/.exec(block) ?? [];
        if (data.includes(text)) return { id, name, data };
      }
      await new Promise<void>((done) => (this.#wake = done));
    }
  }

  get text(): string {
    return this.#text;
  }

  close(): void {
    this.#response.destroy();
  }
}

describe("the stream of events", () => {
  test("begins with a full picture, and goes on with changes", async () => {
    const { port, hub } = await serving(() => ({ all: 1 }));
    const page = await Page.open(port);
    expect(await page.event('{"all":1}')).toMatchObject({ name: "picture" });
    hub.publish({ n: 1 });
    expect(await page.event('{"n":1}')).toMatchObject({ name: "change" });
  });

  test("gives a page that comes back what it missed, and nothing twice", async () => {
    const { port, hub } = await serving(() => ({ all: 1 }));
    const page = await Page.open(port);
    await page.event("all");
    hub.publish({ n: "one" });
    const { id } = await page.event("one");
    page.close();
    hub.publish({ n: "two" });
    const again = await Page.open(port, id);
    await again.event("two");
    expect(again.text).not.toMatch(/all|one/);
  });

  test("trap-I9: a number of another instance, of another server or of the future gets a full picture", async () => {
    const { port, hub } = await serving(() => ({ all: 1 }));
    const other = await serving(() => ({ all: 2 }));
    hub.publish({ n: 1 });
    const { id } = await (await Page.open(other.port)).event("all");
    const { id: own } = await (await Page.open(port)).event("all");
    for (const foreign of [id, own.replace(/:\d+$/, ":99"), "i1:0", "", "x"]) {
      expect(await (await Page.open(port, foreign)).event("all")).toMatchObject({ name: "picture", id: own });
    }
    expect(own).toMatch(/^i1\.[0-9a-f]{12}:1$/);
  });

  test("trap-I10: the 65th stream is refused with 503, and one that closes makes room", async () => {
    const { port, hub } = await serving(() => ({ all: 1 }));
    const pages = await Promise.all(Array.from({ length: 64 }, () => Page.open(port)));
    expect((await Page.open(port)).status).toBe(503);
    pages[0]?.close();
    while (hub.size === 64) await new Promise((done) => setImmediate(done));
    expect((await Page.open(port)).status).toBe(200);
  });

  test("trap-I10: what a stopped reader missed is one new picture, and is not kept for it", async () => {
    let number = 0;
    const { port, hub } = await serving(() => ({ number }));
    const socket = connect(port, "127.0.0.1");
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    while (hub.size === 0) await new Promise((done) => setImmediate(done));
    socket.pause();
    const heapBefore = process.memoryUsage().heapUsed + process.memoryUsage().external;
    const filler = "x".repeat(10_000);
    for (number = 1; number <= 5000; number++) {
      hub.publish({ number, filler });
      if (number % 100 === 0) await new Promise((done) => setImmediate(done));
    }
    const { heapUsed, external } = process.memoryUsage();
    // 50 MB were sent.
    expect(heapUsed + external - heapBefore).toBeLessThan(30e6);
    let text = "";
    const caughtUp = new Promise<void>((done) => {
      socket.on("data", (chunk) => {
        text += chunk.toString();
        if (text.includes('"number":5001}')) done();
      });
    });
    socket.resume();
    await caughtUp;
    expect(text.match(/event: picture/g)).toHaveLength(2);
    socket.destroy();
  });

  test("trap-I11: comments find a reader that has gone without a word, and its stream is closed", async () => {
    const { port, hub } = await serving(() => ({ filler: "x".repeat(8_000_000) }), 20);
    const socket = connect(port, "127.0.0.1");
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    socket.pause();
    onTestFinished(() => {
      socket.destroy();
    });
    while (hub.size === 0) await new Promise((done) => setImmediate(done));
    const quiet = await Page.open((await serving(() => ({ all: 1 }), 20)).port);
    await quiet.event("all");
    while (hub.size > 0) await new Promise((done) => setImmediate(done));
    while (!quiet.text.includes("\n: ")) await new Promise((done) => setImmediate(done));
  });
});
