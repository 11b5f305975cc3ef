/** The probes of `ready` with real programs: ready, late, never, exits before, hangs in the attempt (docs/design/programs.md §1). */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { ERRNO } from "../../../src/errors/index.js";
import type { JsonValue } from "../../../src/messages/index.js";
import { freePort } from "../../helpers/ports.js";
import { testUsers } from "../../helpers/users.js";
import { isAlive, processesIn, startStage } from "./support.js";

/** Longest time that a program of these tests needs to get ready on a busy machine. */
const AMPLE_MS = 50_000;

/** What a probe needs of its test, and a program that says it as that probe hears it. */
interface Case {
  readonly kind: string;
  /** The probe, for a port that is free. */
  readonly probe: (port: number) => Readonly<Record<string, JsonValue>>;
  /** Bash: what the program does to get ready. It must go on then. */
  readonly becomeReady: (port: number) => string;
  /** What a load says that has waited in vain. */
  readonly words: (port: number) => RegExp;
}

const HTTP = `
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"all is well")
    def log_message(self, *args): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()`;

const UNIX = `
import socket, signal
s = socket.socket(socket.AF_UNIX); s.bind("s"); s.listen(); signal.pause()`;

const CASES: readonly Case[] = [
  {
    kind: "notify",
    probe: () => ({ notify: true }),
    becomeReady: () => "systemd-notify --ready; exec sleep 1000",
    words: () => /the program has not sent READY=1$/,
  },
  {
    kind: "fd",
    probe: () => ({ fd: 5 }),
    becomeReady: () => "echo >&5; exec sleep 1000",
    words: () => /the program has written no newline to descriptor 5$/,
  },
  {
    kind: "log",
    probe: () => ({ log: "^listening on \\d+$" }),
    becomeReady: (port) => `printf '\\033[32mlistening\\033[0m on ${port}\\n' >&2; exec sleep 1000`,
    words: () => /no line of its output matches .*many programs buffer their output without a terminal/,
  },
  {
    kind: "tcp",
    probe: (port) => ({ tcp: `localhost:${port}`, intervalMs: 10 }),
    becomeReady: (port) => `exec python3 -c '${HTTP}' ${port}`,
    words: (port) => new RegExp(`tcp localhost:${port}: connect ECONNREFUSED .*:${port}`),
  },
  {
    kind: "unix",
    probe: () => ({ unix: "s", intervalMs: 10 }),
    becomeReady: () => `exec python3 -c '${UNIX}'`,
    words: () => /unix .*\/s: connect ENOENT/,
  },
  {
    kind: "http",
    probe: (port) => ({
      http: `http://probe:hidden@127.0.0.1:${port}/healthz`,
      body: "is well$",
      intervalMs: 10,
    }),
    becomeReady: (port) => `exec python3 -c '${HTTP}' ${port}`,
    words: (port) => new RegExp(`GET http://\\(secret\\)@127.0.0.1:${port}/healthz: connect ECONNREFUSED`),
  },
  {
    kind: "command",
    probe: () => ({ command: "cat said", output: "^PONG$", intervalMs: 10 }),
    becomeReady: () => "echo LOADING > said; sleep 0.05; echo PONG > said; exec sleep 1000",
    words: () => /cat said: exit status 1: cat: said: No such file/,
  },
  {
    kind: "file",
    probe: () => ({ file: "up", intervalMs: 10 }),
    becomeReady: () => "touch up; exec sleep 1000",
    words: () => /\/up: No such file or directory$/,
  },
];

describe.each(CASES)("a probe by $kind", ({ probe, becomeReady, words }) => {
  test.each([
    ["at once", ""],
    ["late", "sleep 0.3; "],
  ])("sees that a program is ready, %s", async (_when, delay) => {
    const { load, pid } = await startStage();
    const port = await freePort();
    const ready = { ...probe(port), deadlineMs: AMPLE_MS };
    await load({ command: ["bash", "-c", delay + becomeReady(port)], ready });
    expect(isAlive(await pid())).toBe(true);
  });

  test("fails the load of one that never is, with the words of the last attempt, and leaves nothing", async () => {
    const { load, dir } = await startStage();
    const port = await freePort();
    const command = ["bash", "-c", "echo $$ > pid; exec sleep 1000"];
    const failed = load({ command, ready: { ...probe(port), deadlineMs: 400 } });
    await expect(failed).rejects.toMatchObject({
      errnum: ERRNO.ETIMEDOUT,
      message: expect.stringMatching(/^p: not ready within 0.4 s: /) as string,
    });
    await expect(failed).rejects.toThrow(words(port));
    expect(isAlive(Number(readFileSync(join(dir, "pid"), "utf8")))).toBe(false);
    await load({ command: ["sleep", "1000"] });
  });

  test("fails the load of one that exits before, with how and its last lines", async () => {
    const { load } = await startStage();
    const port = await freePort();
    const command = "echo going; echo down >&2; exit 3";
    await expect(load({ command, ready: { ...probe(port), deadlineMs: AMPLE_MS } })).rejects.toThrow(
      /^p: exit status 3 before it was ready; its last output: .*down/,
    );
  });
});

test("a probe by time makes a program ready when that has passed, if it lives", async () => {
  const { load, pid } = await startStage();
  const beganMs = performance.now();
  await load({ command: ["sleep", "1000"], ready: { afterMs: 200 } });
  expect(performance.now() - beganMs).toBeGreaterThanOrEqual(199);
  expect(isAlive(await pid())).toBe(true);
  await expect(load({ name: "q", command: "exit 4", ready: { afterMs: AMPLE_MS } })).rejects.toThrow(
    "q: exit status 4 before it was ready",
  );
});

test("a probe by start makes a program ready that ends at once", async () => {
  const { load, logged } = await startStage();
  await load({ command: ["true"], ready: { started: true } });
  await logged("p exited");
});

/** A server in this process, on a port of its own, that counts the connections. */
async function listen(server: Server | HttpServer): Promise<{ port: number; connections: () => number }> {
  let connections = 0;
  const sockets = new Set<{ destroy(): void }>();
  server.on("connection", (socket: { destroy(): void }) => {
    connections++;
    sockets.add(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    connections: () => connections,
  };
}

/** A program that has a port answered by this process: it passes connections on. */
const relay = (from: number, to: number): string[] => [
  process.execPath,
  "-e",
  `require("node:net").createServer((a) => { const b = require("node:net").connect(${to}, "127.0.0.1");
   a.on("error", () => b.destroy()); b.on("error", () => a.destroy()); a.pipe(b).pipe(a); })
   .listen(${from}, "127.0.0.1", () => console.log("up"))`,
];

describe("an attempt that hangs", () => {
  test.each<[string, (port: number) => Readonly<Record<string, JsonValue>>]>([
    ["http", (port) => ({ http: `http://127.0.0.1:${port}/` })],
    ["body", (port) => ({ http: `http://127.0.0.1:${port}/`, body: "x" })],
  ])("is ended after its time-out, by %s", async (_kind, probe) => {
    const { load } = await startStage();
    const silent = await listen(createServer(() => undefined));
    const port = await freePort();
    const ready = { ...probe(port), intervalMs: 10, timeoutMs: 100, deadlineMs: 2000 };
    await expect(load({ command: relay(port, silent.port), ready })).rejects.toThrow(
      /not ready within 2 s: GET .*: no answer within 0.1 s$/,
    );
    expect(silent.connections()).toBeGreaterThan(1);
  });

  test("trap-A4 is killed with its whole tree and reaped before the next, and a hundred of them leave nothing", async () => {
    const { load, dir } = await startStage();
    const attempt = "echo $$ >> attempts; (setsid sleep 1000 &); sleep 1000 & wait";
    const ready = { command: attempt, intervalMs: 0, timeoutMs: 60, deadlineMs: AMPLE_MS };
    const until = "until [ $(wc -l < attempts) -ge 100 ]; do sleep 0.02; done 2> /dev/null; exit 7";
    await expect(load({ command: ["bash", "-c", until], ready })).rejects.toThrow("p: exit status 7 before");
    expect(readFileSync(join(dir, "attempts"), "utf8").trim().split("\n").length).toBeGreaterThanOrEqual(100);
    expect(processesIn(dir)).toEqual([]);
  });
});

test("trap-A1 an address that something answers before the start fails the load, and is named", async () => {
  const { load, dir } = await startStage();
  const other = await listen(createServer((socket) => socket.end()));
  const address = `127.0.0.1:${other.port}`;
  for (const ready of [{ tcp: address }, { http: `http://${address}/x` }]) {
    await expect(load({ command: "touch started", ready })).rejects.toThrow(
      `${address}${"http" in ready ? "/x" : ""} answered before`,
    );
  }
  const onPath = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => onPath.listen(join(dir, "sock"), resolve));
  onTestFinished(() => void onPath.close());
  await expect(load({ command: "touch started", ready: { unix: "sock" } })).rejects.toThrow(
    `${dir}/sock answered before`,
  );
  expect(existsSync(join(dir, "started"))).toBe(false);
});

test("trap-A3 after its first success the probe is not asked again", async () => {
  const { load, handle } = await startStage();
  let asked = 0;
  const server = await listen(
    createHttpServer((_request, response) => response.writeHead(asked++ < 2 ? 503 : 200).end()),
  );
  const port = await freePort();
  await load({
    command: relay(port, server.port),
    ready: { http: `http://127.0.0.1:${port}/`, intervalMs: 5 },
  });
  expect(asked).toBe(3);
  // Many intervals long.
  for (let i = 0; i < 500; i++) await handle.rpc("p.ping");
  expect(asked).toBe(3);
});

test("trap-A5 a redirect is judged by its status alone, and proxies are ignored", async () => {
  const { load, remove, broker } = await startStage();
  const target = await listen(createHttpServer((_request, response) => response.end()));
  const server = await listen(
    createHttpServer((_request, response) =>
      response.writeHead(302, { location: `http://127.0.0.1:${target.port}/` }).end(),
    ),
  );
  const proxy = `http://127.0.0.1:${target.port}`;
  for (const name of ["http_proxy", "HTTP_PROXY", "ALL_PROXY"]) {
    vi.stubEnv(name, proxy);
    broker.environment.update({ [name]: proxy });
  }
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
  const port = await freePort();
  const ready = { http: `http://127.0.0.1:${port}/`, intervalMs: 10 };
  await load({ command: relay(port, server.port), ready });
  await remove();
  await expect(
    load({ command: relay(port, server.port), ready: { ...ready, status: "200-299", deadlineMs: 1500 } }),
  ).rejects.toThrow(/GET .*: status 302, not 200-299$/);
  expect(target.connections()).toBe(0);
});

test("trap-A6 each attempt has a connection of its own", async () => {
  const { load } = await startStage();
  let asked = 0;
  const server = await listen(
    createHttpServer((_request, response) => response.writeHead(++asked < 4 ? 500 : 200).end()),
  );
  const port = await freePort();
  await load({
    command: relay(port, server.port),
    ready: { http: `http://127.0.0.1:${port}/`, intervalMs: 5 },
  });
  expect(server.connections()).toBe(4);
});

test("a connection to itself is not ready, and leaves the port free", async () => {
  const { load } = await startStage();
  // Only an even port of the local range is given to connections; a program that wants it later must get it.
  const [low = 0] = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8").split(/\s+/).map(Number);
  const port = low + (low % 2) + 4000;
  await expect(
    load({ command: "sleep 1000", ready: { tcp: `127.0.0.1:${port}`, intervalMs: 0, deadlineMs: 4000 } }),
  ).rejects.toThrow("not ready within 4 s");
  await listen(createServer()).then(({ port: other }) => expect(other).not.toBe(port));
});

test("trap-A11 a deadline that passes fails the load, in every kind of probe", async () => {
  const { load, handle } = await startStage();
  const port = await freePort();
  for (const { probe } of CASES) {
    await expect(
      load({ command: ["sleep", "1000"], ready: { ...probe(port), deadlineMs: 50 } }),
    ).rejects.toMatchObject({ errnum: ERRNO.ETIMEDOUT });
  }
  expect(await handle.rpc("module.list")).toEqual({ modules: [] });
});

test("trap-A13 an expression cannot stall the broker, and lines of an earlier start do not count", async () => {
  const { load, remove, handle } = await startStage();
  const slow = "^(a+)+$";
  const command = `echo ${"a".repeat(40)}b; exec sleep 1000`;
  await expect(load({ command, ready: { log: slow } })).rejects.toThrow("takes too long");
  await load({ command: "echo up; exec sleep 1000", ready: { log: "up" } });
  await remove();
  const again = load({ command: "exec sleep 1000", ready: { log: "up", deadlineMs: 300 } });
  await expect(again).rejects.toThrow("not ready within 0.3 s");
  expect(await handle.rpc("module.list")).toEqual({ modules: [] });
});

test("trap-A14 a load that waits for what has exited ends at once, with the reason", async () => {
  const { load } = await startStage();
  const beganMs = performance.now();
  const ready = { file: "never", intervalMs: AMPLE_MS, deadlineMs: AMPLE_MS };
  await expect(load({ command: ["false"], ready })).rejects.toThrow("exit status 1 before it was ready");
  expect(performance.now() - beganMs).toBeLessThan(AMPLE_MS / 2);
});

test("trap-B3 a removal ends the wait and the program, and the load fails with ECANCELED", async () => {
  const { load, remove, logged, dir, handle } = await startStage();
  const loading = load({ command: "echo $$ > pid; exec sleep 1000", ready: { file: "never" } });
  const failed = expect(loading).rejects.toMatchObject({ errnum: ERRNO.ECANCELED });
  await logged("module-exec p");
  await remove();
  await failed;
  expect(processesIn(dir)).toEqual([]);
  expect(await handle.rpc("module.list")).toEqual({ modules: [] });
});

/** Loads programs that say READY=1 a thousand times, some at a time, and removes them. */
async function thousandStarts(command: string | readonly string[]): Promise<void> {
  const { load, handle } = await startStage();
  const ready = { notify: true, deadlineMs: AMPLE_MS };
  const names = Array.from({ length: 20 }, (_, i) => `p${i}`);
  for (let i = 0; i < 1000; i += names.length) {
    await Promise.all(names.map((name) => load({ name, command, ready })));
    await Promise.all(names.map((name) => handle.rpc("module.remove", { name })));
  }
}

const LONG_TEST = { timeout: 300_000 };

test("trap-A8 a program whose first act is READY=1 is ready every time", LONG_TEST, async () => {
  const dir = mkdtempSync(join(tmpdir(), "sluice-programs-test-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const first = join(dir, "first");
  writeFileSync(first, "#!/bin/sh\nsystemd-notify --ready\nexec sleep 1000\n", { mode: 0o755 });
  await thousandStarts([first]);
});

test("trap-A7 READY=1 of a child that ends at once arrives every time", LONG_TEST, async () => {
  await thousandStarts("systemd-notify --ready; sleep 1000");
});

test("trap-A9 descriptors that come with a notification are closed at once, so that its sender does not stall", async () => {
  const { load, dir, logged } = await startStage();
  await load({
    command: "systemd-notify --ready --status='all is well'; echo $? > status; exit 0",
    ready: { notify: true, deadlineMs: AMPLE_MS },
  });
  await logged("p exited");
  expect(readFileSync(join(dir, "status"), "utf8")).toBe("0\n");
});

test("trap-A7 a program that has become another user by itself is heard", async () => {
  const { load, handle } = await startStage();
  const uid = testUsers.at(-1)?.uid ?? 0;
  const send =
    `import os, socket, time; os.setuid(${uid}); s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); ` +
    "s.sendto(b'READY=1\\nSTATUS=dropped', '\\0' + os.environ['NOTIFY_SOCKET'][1:]); time.sleep(1000)";
  await load({
    command: ["python3", "-c", send],
    ready: { notify: true, deadlineMs: AMPLE_MS },
  });
  expect(await handle.rpc("p.status")).toMatchObject({ status: "dropped" });
});

test("a notification tells of a status, and of another main process", async () => {
  const { load, handle, pid, remove } = await startStage();
  await load({
    command: ["bash", "-c", 'sleep 1000 & systemd-notify --ready --status="serving $!" MAINPID=$!; wait'],
    ready: { notify: true, deadlineMs: AMPLE_MS },
  });
  const main = await pid();
  expect(await handle.rpc("p.status")).toMatchObject({ status: `serving ${main}` });
  expect(readFileSync(`/proc/${main}/comm`, "utf8")).toBe("sleep\n");
  await remove();
  expect(isAlive(main)).toBe(false);
});
