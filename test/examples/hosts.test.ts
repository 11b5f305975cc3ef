/** The files of examples/hosts start an instance, each by its own words. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { nkeys } from "@nats-io/transport-node";
import { parseAllDocuments } from "yaml";
import { startNats } from "../helpers/nats.js";
import { type Finished, type RunningCommand, Sandbox } from "../helpers/sluice.js";

const EXAMPLES = resolve(import.meta.dirname, "../../examples/hosts");

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  box.remove();
});

function read(name: string): string {
  return readFileSync(join(EXAMPLES, name), "utf8");
}

/** What a broker is started with, and its environment. */
interface Start {
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** How the servers know the ranks, and the environment of a client that they know. */
interface Access {
  readonly lines: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const OPEN: Access = { lines: [], env: {} };

/** Starts two rank 0 and two others, and sees that all ranks are there; the standby takes no rank. */
async function expectInstance(starts: readonly Start[], { lines, env }: Access = OPEN): Promise<void> {
  const nats = await startNats({ jetStream: true, lines });
  onTestFinished(() => nats.kill());
  const brokers = starts.map(({ words, env: own }): RunningCommand => {
    const [, ...args] = words;
    return box.start(args, { env: { ...own, SLUICE_OVERLAY: nats.url } });
  });
  const client = (...args: string[]): Promise<Finished> => box.run(args, { env });
  const status = (): Promise<string> =>
    client("overlay", "status", "--uri", `${nats.url}/site/0`).then(
      ({ stdout }) => stdout.split("\n")[0] ?? "",
    );
  await expect.poll(status, { timeout: 40_000 }).toBe("full: 3 of 3 ranks are online, epoch 1");
  const uri = `${nats.url}/site/1`;
  expect((await client("kvs", "put", "a=1", "--uri", uri)).status).toBe(0);
  const { stdout } = await client("rpc", "content.status", "--uri", `${nats.url}/site/0`);
  expect(JSON.parse(stdout)).toMatchObject({ backing: { provider: "content-nats" } });
  expect((await client("shutdown", "--uri", uri)).status).toBe(0);
  for (const { finished } of brokers) expect((await finished).status).toBe(0);
  expect(box.leftovers()).toEqual([]);
}

/** Makes the directory that systemd would, with the file that the unit names. */
function handedDirectory(unit: string, at: string, seed: Uint8Array): Record<string, string> {
  const [, name = "", source] = /^LoadCredential=([^:]+):(.*)$/m.exec(unit) ?? [];
  expect(source).toBe("/etc/sluice/site.nk");
  mkdirSync(at, { recursive: true, mode: 0o700 });
  writeFileSync(join(at, name), seed, { mode: 0o400 });
  return { CREDENTIALS_DIRECTORY: at };
}

test("the units of systemd are valid, and start an instance with a standby and the credentials of systemd", async () => {
  const dir = join(box.dir, "units");
  mkdirSync(dir);
  for (const name of ["sluice-leader.service", "sluice@.service"]) {
    writeFileSync(join(dir, name), read(name).replaceAll("/usr/bin/sluice", "/bin/true"));
  }
  const units = [join(dir, "sluice-leader.service"), join(dir, "sluice@1.service")];
  writeFileSync(
    join(dir, "sluice@1.service"),
    read("sluice@.service").replaceAll("/usr/bin/sluice", "/bin/true"),
  );
  const verified = spawnSync("systemd-analyze", ["verify", ...units], { encoding: "utf8" });
  expect([verified.status, verified.stderr]).toEqual([0, ""]);
  const key = nkeys.createUser();
  let count = 0;
  const start = (name: string, rank: string): Start => {
    const [, line = ""] = /^ExecStart=(.*)$/m.exec(read(name)) ?? [];
    const at = join(box.dir, `t${++count}`);
    mkdirSync(join(at, "sluice"), { recursive: true, mode: 0o700 });
    mkdirSync(join(at, `sluice-${rank}`), { mode: 0o700 });
    const words = line.replaceAll("%i", rank).replaceAll("%t", at).replace("${SLUICE_SIZE}", "3").split(" ");
    return { words, env: handedDirectory(read(name), join(at, "credentials"), key.getSeed()) };
  };
  const leader = "sluice-leader.service";
  const starts = [
    start(leader, "0"),
    start(leader, "0"),
    start("sluice@.service", "1"),
    start("sluice@.service", "2"),
  ];
  const lines = [`authorization { users: [ { nkey: ${key.getPublicKey()} } ] }`];
  await expectInstance(starts, { lines, env: starts[0]?.env ?? {} });
});

interface StatefulSet {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly replicas: number;
    readonly template: { readonly spec: { readonly containers: readonly { readonly command: string[] }[] } };
  };
}

test("each pod of the StatefulSets starts the rank that its name has", async () => {
  const sets = parseAllDocuments(read("kubernetes.yaml")).map((one) => one.toJS() as StatefulSet);
  expect(sets.map(({ kind }) => kind)).toEqual(["StatefulSet", "StatefulSet"]);
  const starts = sets.flatMap(({ metadata: { name }, spec: { replicas, template } }) =>
    Array.from({ length: replicas }, (_, ordinal): Start => {
      const [shell = "", flag = "", script = ""] = template.spec.containers[0]?.command ?? [];
      // The shell works out what the container would run.
      const echo = spawnSync(shell, [flag, script.replace("exec ", "echo ")], {
        env: { HOSTNAME: `${name}-${ordinal}`, PATH: "/bin:/usr/bin" },
        encoding: "utf8",
      });
      return { words: echo.stdout.trim().split(" "), env: {} };
    }),
  );
  expect(starts.map(({ words }) => words.find((word) => word.startsWith("--rank")))).toEqual([
    "--rank=0",
    "--rank=0",
    "--rank=1",
    "--rank=2",
  ]);
  await expectInstance(starts);
});

interface Service {
  readonly image: string;
  readonly command: string[];
  readonly deploy?: { readonly replicas: number };
}

test("the services of the compose file start an instance with a standby", async () => {
  const [file] = parseAllDocuments(read("compose.yaml")).map(
    (one) => one.toJS() as { readonly services: Readonly<Record<string, Service>> },
  );
  const starts = Object.values(file?.services ?? {})
    .filter(({ image }) => image === "sluice")
    .flatMap(({ command, deploy }) =>
      Array.from({ length: deploy?.replicas ?? 1 }, (): Start => ({ words: command, env: {} })),
    );
  await expectInstance(starts);
});
