import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { readTokenFile, startWeb, type Listen } from "../../src/web/index.js";

const TOKEN = "token-of-a-test-0123456789";
const METRICS_TOKEN = "metrics-of-a-test-0123456789";
const PAGE = resolve(import.meta.dirname, "../../dist/web/page");

interface Served {
  readonly url: URL;
  readonly log: string[];
}

interface ServeOptions {
  readonly listen?: Listen;
  readonly token?: string | undefined;
  readonly allowedHosts?: readonly string[];
  readonly basePath?: string;
}

/** A page without an instance. */
async function serve(options: ServeOptions = {}): Promise<Served> {
  const log: string[] = [];
  const server = await startWeb({
    ...{
      handle: undefined,
      readOnly: true,
      version: "0",
      tls: undefined,
      planArgs: [],
      runArgs: [],
      unitArgs: [],
    },
    ...{ program: ["false"], env: {}, pageDirectory: PAGE, periodMs: 1000, commentMs: 50 },
    ...{ listen: { kind: "tcp", host: "127.0.0.1", port: 0 }, basePath: "/", allowedHosts: [] },
    ...{ token: TOKEN, metricsToken: METRICS_TOKEN, log: (text) => log.push(text) },
    ...options,
  });
  onTestFinished(() => server.close());
  return { url: new URL(server.url ?? "http://localhost/"), log };
}

interface Reply {
  readonly status: number;
  readonly text: string;
  readonly headers: IncomingMessage["headers"];
}

function get(
  { url }: Served,
  path: string,
  {
    headers = {},
    socketPath,
  }: { readonly headers?: Record<string, string>; readonly socketPath?: string } = {},
): Promise<Reply> {
  return new Promise((done, failed) => {
    const where = socketPath === undefined ? { host: url.hostname, port: url.port } : { socketPath };
    request({ ...where, path, headers, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("end", () => done({ status: response.statusCode ?? 0, text, headers: response.headers }));
    })
      .on("error", failed)
      .end();
  });
}

const bearer = (token: string): Record<string, string> => ({ Authorization: `Bearer ${token}` });

describe("the guards of the page", () => {
  test.each([
    ["no token", {}],
    ["a wrong token", bearer(`${TOKEN}x`)],
    ["the token of the metrics", bearer(METRICS_TOKEN)],
    ["a wrong host", { ...bearer(TOKEN), Host: "rebound.example" }],
    ["a host that only begins like ours", { ...bearer(TOKEN), Host: "127.0.0.1.example:80" }],
    ["a wrong origin", { ...bearer(TOKEN), Origin: "http://evil.example" }],
    ["the origin of a sandbox", { ...bearer(TOKEN), Origin: "null" }],
    ["the origin of another port", { ...bearer(TOKEN), Origin: "http://127.0.0.1:1" }],
  ])("trap-I6: on loopback too, a request with %s gets 403 and a log line", async (_, headers) => {
    const served = await serve();
    expect((await get(served, "/api/session", { headers })).status).toBe(403);
    expect(served.log).toHaveLength(1);
    expect(served.log[0]).toMatch(/^403 GET \/api\/session: (host|origin|the token) /);
    expect(served.log[0]).not.toContain(TOKEN);
    expect((await get(served, "/api/session", { headers: bearer(TOKEN) })).status).toBe(200);
  });

  test("trap-I6: a request without a host gets 403", async () => {
    const { url } = await serve();
    const text = await new Promise<string>((done, failed) => {
      let all = "";
      const socket = connect(Number(url.port), url.hostname, () => socket.write("GET / HTTP/1.0\r\n\r\n"));
      socket.on("data", (chunk) => (all += chunk.toString()));
      socket.on("close", () => done(all)).on("error", failed);
    });
    expect(text).toMatch(/^HTTP\/1\.1 403 /);
  });

  test("trap-I6: a unix socket is its owner's alone and goes without a token", async () => {
    const dir = mkdtempSync(join(tmpdir(), "sluice-web-test-"));
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
    const path = join(dir, "web.sock");
    const served = await serve({ listen: { kind: "unix", path }, token: undefined });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const options = { socketPath: path, headers: { Host: "localhost" } };
    expect((await get(served, "/api/session", options)).status).toBe(200);
    expect((await get(served, "/api/session", { ...options, headers: { Host: "a.example" } })).status).toBe(
      403,
    );
  });

  test("trap-I7: any port of a loopback name is allowed, and further names when they are named", async () => {
    const served = await serve({ allowedHosts: ["site.example", "other.example:8443"] });
    const statusOf = async (host: string): Promise<number> =>
      (await get(served, "/api/session", { headers: { ...bearer(TOKEN), Host: host } })).status;
    for (const host of [
      "localhost:9",
      "127.0.0.1",
      "127.1.2.3:80",
      "[::1]:7",
      "a.localhost",
      "Site.Example:1",
    ]) {
      expect([host, await statusOf(host)]).toEqual([host, 200]);
    }
    expect(await statusOf("other.example:8443")).toBe(200);
    for (const host of ["other.example", "x.site.example", "localhost.example", "*"]) {
      expect([host, await statusOf(host)]).toEqual([host, 403]);
    }
  });

  test("serves nothing but its own files, whatever the path", async () => {
    const served = await serve();
    const part = fc.constantFrom(
      "..",
      ".",
      "%2e%2e",
      "%2f",
      "\\",
      "etc",
      "passwd",
      "app.js",
      "page",
      "%00",
      "api",
      "~",
    );
    const paths = fc.array(part, { minLength: 1, maxLength: 8 }).map((parts) => `/${parts.join("/")}`);
    await fc.assert(
      fc.asyncProperty(paths, async (path) => {
        const { status } = await get(served, path, { headers: bearer(TOKEN) });
        expect(status).toBe(path === "/app.js" ? 200 : 404);
      }),
      { numRuns: 60 },
    );
  });

  test("lets no page run what is not its own, and none of others show it in a frame", async () => {
    const { headers, text } = await get(await serve(), "/");
    expect(headers["content-security-policy"]).toContain("default-src 'self'");
    expect(headers["content-security-policy"]).toContain("frame-ancestors 'none'");
    expect(headers).toMatchObject({ "x-content-type-options": "nosniff", "referrer-policy": "no-referrer" });
    expect(text).not.toMatch(/https?:|<style|style=|<script(?! type="module" src="app\.js")/);
  });

  test("is below its base path and nowhere else", async () => {
    const served = await serve({ basePath: "/ops/sluice/" });
    expect((await get(served, "/ops/sluice/")).status).toBe(200);
    const redirected = await get(served, "/ops/sluice");
    expect([redirected.status, redirected.headers.location]).toEqual([308, "/ops/sluice/"]);
    expect((await get(served, "/", { headers: bearer(TOKEN) })).status).toBe(404);
    expect((await get(served, "/ops/sluice/api/session", { headers: bearer(TOKEN) })).status).toBe(200);
  });
});

test("trap-I12: the token of the metrics opens them and nothing else, and they are closed without one", async () => {
  const served = await serve();
  const statusOf = async (path: string, token?: string): Promise<number> =>
    (await get(served, path, { headers: token === undefined ? {} : bearer(token) })).status;
  // There are none without an instance, and only those with a token learn that.
  expect(await statusOf("/metrics", METRICS_TOKEN)).toBe(404);
  expect(await statusOf("/metrics", TOKEN)).toBe(404);
  expect(await statusOf("/metrics")).toBe(403);
  expect(await statusOf("/metrics", "wrong")).toBe(403);
  for (const path of ["/api/session", "/api/events", "/api/plan", "/api/actions", "/nothing"]) {
    expect([path, await statusOf(path, METRICS_TOKEN)]).toEqual([path, 403]);
  }
});

test.each([
  ["that others may read", 0o640, "x".repeat(20), "other users may read the file"],
  ["that is short", 0o600, "short", "at least 16"],
  ["with spaces", 0o600, "some words that are long enough", "one word"],
])("a token file %s is refused with WEB_TOKEN", (_, mode, text, says) => {
  const dir = mkdtempSync(join(tmpdir(), "sluice-web-test-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, "token");
  writeFileSync(file, text, { mode });
  expect(() => readTokenFile(file)).toThrow(expect.objectContaining({ code: "WEB_TOKEN" }));
  expect(() => readTokenFile(file)).toThrow(says);
});
