import { chmodSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type RunningCommand, Sandbox } from "../helpers/sluice.js";

const NO_RC = ["-S", "broker.rc1_path=", "-S", "broker.rc3_path="];

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  expect(box.survivors()).toEqual([]);
  expect(box.leftovers()).toEqual([]);
  box.remove();
});

test("are printed of all ranks, and promtool finds them clean", async () => {
  const script =
    "sluice module load heartbeat; sluice metrics | tee out | promtool check metrics; sluice metrics --openmetrics | tail -1; sluice module remove heartbeat";
  const { status, stdout, stderr } = await box.run(["start", "-s", "2", ...NO_RC, "bash", "-ec", script]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const printed = readFileSync(join(box.dir, "out"), "utf8");
  for (const rank of [0, 1])
    expect(printed).toMatch(new RegExp(`^sluice_broker_clients\\{rank="${rank}"\\} \\d+$`, "m"));
  expect(printed).toContain('sluice_ranks{state="online"} 2\n');
  expect(printed).toContain('sluice_module_restarts_total{rank="0",module="heartbeat"} 0\n');
  expect(stdout).toBe("# EOF\n");
});

test("of a rank that does not answer end in time with its number", async () => {
  const script = `pid=$(sluice getattr -r 1 broker.pid); kill -STOP $pid; sluice metrics --timeout 0.5; echo "status $?"; kill -CONT $pid`;
  const { stdout, stderr } = await box.run(["start", "-s", "2", ...NO_RC, "bash", "-c", script]);
  expect(stdout).toBe("status 1\n");
  expect(stderr).toContain("sluice-metrics: no answer of rank 1 within 0.5 s");
});

interface Reply {
  readonly status: number | undefined;
  readonly body: string;
}

function get(where: string | { readonly socketPath: string }, path: string, token?: string): Promise<Reply> {
  const headers = { host: "localhost", ...(token !== undefined && { authorization: `Bearer ${token}` }) };
  return new Promise((resolve, reject) => {
    const asked =
      typeof where === "string"
        ? request(new URL(path, where), { headers })
        : request({ ...where, path, headers });
    asked.once("error", reject);
    asked.once("response", (response) => {
      void text(response).then((body) => resolve({ status: response.statusCode, body }));
    });
    asked.end();
  });
}

describe("served", () => {
  let instance: RunningCommand;
  let env: { SLUICE_URI: string };
  beforeEach(async () => {
    instance = box.start([
      "start",
      ...NO_RC,
      "bash",
      "-c",
      'echo "uri $SLUICE_URI;"; exec sluice event sub never',
    ]);
    await instance.waitFor(";\n");
    env = { SLUICE_URI: /uri (.*);/.exec(instance.output())?.[1] ?? "" };
  });
  afterEach(async () => {
    instance.kill("SIGTERM");
    await instance.finished;
  });

  test("at an address they need the token, and nothing else is there", async () => {
    const file = box.write("token", "a-token-of-this-test-0123456789\n");
    chmodSync(file, 0o600);
    const server = box.start(["metrics", "--listen", "127.0.0.1:0", "--token-file", file], { env });
    await server.waitFor("/metrics\n");
    const url = server.output().trim();
    expect(await get(url, "/metrics")).toMatchObject({ status: 403 });
    expect(await get(url, "/metrics", "wrong")).toMatchObject({ status: 403 });
    expect(await get(url, "/", "a-token-of-this-test-0123456789")).toMatchObject({ status: 404 });
    const { status, body } = await get(url, "/metrics", "a-token-of-this-test-0123456789");
    expect(status).toBe(200);
    expect(body).toContain('sluice_ranks{state="online"} 1\n');
    server.kill("SIGTERM");
    expect(await server.finished).toMatchObject({ status: 0 });
  });

  test("are at the page, too", async () => {
    const file = box.write("token", "a-token-of-this-test-0123456789\n");
    chmodSync(file, 0o600);
    const server = box.start(["web", "--token-file", file], { env });
    await server.waitFor("/\n");
    expect(await get(server.output().trim(), "/metrics", "a-token-of-this-test-0123456789")).toMatchObject({
      status: 200,
    });
    server.kill("SIGTERM");
    await server.finished;
  });

  test("at a socket of a file they need none, and they end with the instance", async () => {
    const socketPath = join(box.dir, "metrics.sock");
    const server = box.start(["metrics", "--listen", `unix:${socketPath}`], { env });
    await server.waitFor(`unix:${socketPath}\n`);
    expect(await get({ socketPath }, "/metrics")).toMatchObject({ status: 200 });
    instance.kill("SIGTERM");
    expect(await server.finished).toMatchObject({
      status: 1,
      stderr: "sluice-metrics: the instance has ended\n",
    });
  });

  test.each([
    [["--listen", "127.0.0.1:0"], "an address that every user of this machine can reach needs --token-file"],
    [
      ["--listen", "0.0.0.0:0"],
      "an address that other machines can reach needs --token-file, --tls-cert and --tls-key",
    ],
    [["--listen", "nowhere"], "must be HOST:PORT"],
  ])("%j is refused with status 2", async (args, message) => {
    const { status, stderr } = await box.run(["metrics", ...args], { env });
    expect(status).toBe(2);
    expect(stderr).toContain(message);
  });
});
