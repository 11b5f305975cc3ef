import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { connect } from "@nats-io/transport-node";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { type NatsServer, startNats } from "../helpers/nats.js";
import { type Finished, Sandbox } from "../helpers/sluice.js";

const PROGRAMS = resolve(import.meta.dirname, "../fixtures/programs");
const PROVIDERS = ["content-sqlite", "content-files", "content-nats"] as const;

let box: Sandbox;
let statedir: string;
beforeEach(() => {
  box = new Sandbox();
  statedir = join(box.dir, "state");
});
afterEach(() => {
  box.remove();
});

function start(
  program: string | readonly string[],
  attributes: Readonly<Record<string, string>> = {},
  env: Readonly<Record<string, string>> = {},
): Promise<Finished> {
  const settings = Object.entries({ statedir, ...attributes }).flatMap(([name, value]) => [
    "-S",
    `${name}=${value}`,
  ]);
  const words = typeof program === "string" ? [program] : program;
  return box.run(["start", ...settings, ...words], { env });
}

/** Numbers of puts that were answered, and those that are in the store afterwards. */
async function lost(written: Finished, env: Readonly<Record<string, string>> = {}): Promise<number[]> {
  const answered = [...written.stdout.matchAll(/^put (\d+)$/gm)].map((match) => Number(match[1]));
  const reader = await start(["node", join(PROGRAMS, "get-many.mjs")], {}, env);
  expect(reader.status).toBe(0);
  const found = new Set(
    reader.stdout
      .trimEnd()
      .split("\n")
      .map((line) => (JSON.parse(line) as { n: number }).n),
  );
  expect(answered.length).toBeGreaterThan(0);
  return answered.filter((n) => !found.has(n));
}

test("fault-A1: a put while the provider is away waits for it, or fails with EAGAIN, and is never answered by memory", async () => {
  const away = await start(
    "sluice kvs put before=1; sluice module remove content-sqlite; sluice kvs put a=1; echo put $?",
    { "content.wait": "300ms" },
  );
  expect(away.stdout).toContain("put 1\n");
  expect(away.stderr).toContain("content-backing is away: waited 0.3 s (content.wait)");
  // Nothing is saved of the end of the instance either.
  expect(away.status).toBe(1);
  const back = await start(
    "sluice module remove content-sqlite; sluice kvs put a=2 & " +
      "sluice kvs get before; sluice module load content-sqlite; wait $!; echo put $?; sluice kvs get a",
  );
  expect(back.stdout).toBe("1\nput 0\n2\n");
  expect((await start("sluice kvs get a")).stdout).toBe("2\n");
});

test("fault-A1: without a statedir and a provider content says that nothing lasts, and what it holds is handed over", async () => {
  const script =
    "sluice module load content && sluice module load kvs && sluice kvs put a=1 && sluice dmesg && " +
    "sluice module load content-sqlite && sluice rpc content.flush && sluice rpc content.status; " +
    "for m in kvs content-sqlite content; do sluice module remove $m; done";
  const { stdout } = await box.run(["start", "bash", "-c", script], {
    env: { FLUX_MODPROBE_DISABLE: "content,content-backing,cron,heartbeat,kvs,kvs-watch,resource" },
  });
  expect(stdout).toContain("not durable, with all data only in memory: no statedir");
  expect(stdout).toContain('"durable":true');
});

describe("fault-A2: kill -9 of a provider in a process loses no answered put", () => {
  const cases = [
    ["restart", "", 0],
    ["log", "", 1],
    ["panic", "", 1],
    ["panic", "1", 1],
  ] as const;
  test.each(cases)("on-failure %s, module-nopanic '%s'", async (policy, nopanic, status) => {
    box.write(
      "site/modprobe.d/kill.toml",
      `content-sqlite.exec = true\ncontent-sqlite.on-failure = "${policy}"\n`,
    );
    const env = { FLUX_MODPROBE_PATH_APPEND: join(box.dir, "site") };
    const wait = policy === "restart" ? "60s" : "1s";
    const attributes = { "content.wait": wait, ...(nopanic && { "broker.module-nopanic": nopanic }) };
    const written = await start(["node", join(PROGRAMS, "store-writers.mjs")], attributes, env);
    expect(written.stdout).toContain("killed\n");
    expect(written.status).toBe(status);
    if (policy === "restart") expect(written.stdout).not.toContain("failed");
    if (policy === "log") expect(written.stderr).toContain("content-backing is away");
    expect(await lost(written, env)).toEqual([]);
  });
});

test("fault-A4: a state directory refuses another provider, and a store that is gone, and adopts it when told to", async () => {
  expect((await start("sluice kvs put a=1")).status).toBe(0);
  const instance = JSON.parse(readFileSync(join(statedir, "instance.json"), "utf8")) as Record<
    string,
    unknown
  >;
  expect(instance).toMatchObject({ provider: "content-sqlite", format: 1 });
  box.write("site/modprobe.d/storage.toml", "content-files.priority = 200\n");
  const env = { FLUX_MODPROBE_PATH_APPEND: join(box.dir, "site") };
  const other = await start("sluice kvs get a", {}, env);
  expect(other.status).toBe(1);
  expect(other.stderr).toMatch(/has the data of content-sqlite \(instance \w+\); content-files would create/);
  expect(other.stderr).toContain("content.adopt=1");
  expect((await start("sluice kvs get a")).stdout).toBe("1\n");

  truncateSync(join(statedir, "content.sqlite"), 0);
  for (const remove of [false, true]) {
    if (remove) rmSync(join(statedir, "content.sqlite"));
    const gone = await start("sluice kvs get a");
    expect(gone.status).toBe(1);
    expect(gone.stderr).toContain("is missing, empty or of another instance");
  }
  const adopted = await start("sluice kvs put b=2", { "content.adopt": "1" }, env);
  expect(adopted.status).toBe(0);
  expect((await start("sluice kvs get b", {}, env)).stdout).toBe("2\n");
});

describe.each(PROVIDERS)("%s", (provider) => {
  const backing: Record<string, string> = { "content.backing-module": provider };
  let nats: NatsServer | undefined;
  // Every one of them finds the servers, the one that is dumped from and the one that is restored to.
  beforeEach(async () => {
    nats = await startNats({ jetStream: true });
    backing["overlay.nats"] = nats.url;
    return () => nats?.kill();
  });

  function size(directory: string): number {
    return Number(execFileSync("du", ["-sb", directory], { encoding: "utf8" }).split("\t")[0]);
  }

  test("fault-A5 trap-K7: what the last version does not reach is collected, so that many commits take no more than few", async () => {
    const commits = async (count: number): Promise<number> => {
      const program = box.write(
        "commits.mjs",
        `import { connect } from "${resolve(import.meta.dirname, "../../dist/index.js")}";
         const handle = await connect(process.env.SLUICE_URI);
         const put = (n) => handle.rpc("kvs.commit", { ops: [{ key: "a", value: String(n).padEnd(200, "v") }] });
         for (let n = 0; n < ${count}; n += 50) {
           await Promise.all(Array.from({ length: 50 }, (_, i) => put(n + i)));
         }
         await handle.close();`,
      );
      expect((await start(["node", program], backing)).status).toBe(0);
      if (provider !== "content-nats") return size(statedir);
      const { stdout } = await start("sluice rpc content.status", backing);
      return (JSON.parse(stdout) as { backing: { bytes: number } }).backing.bytes;
    };
    const few = await commits(100);
    const many = await commits(2000);
    expect(many).toBeLessThanOrEqual(4 * few);
    expect((await start("sluice kvs get -r a", backing)).stdout).toBe(`${"1999".padEnd(200, "v")}\n`);
  });

  test("fault-A6: reload of content under writers fails none of their puts", async () => {
    const writer = join(PROGRAMS, "store-writers.mjs");
    const { status, stdout } = await start(
      `TOTAL=600 KILL_AT=0 node ${writer} & for i in 1 2 3 4; do sluice module reload content; done; ` +
        `sluice module reload kvs; wait $!`,
      backing,
    );
    expect(stdout).not.toContain("failed");
    expect(stdout.match(/^put /gm)).toHaveLength(600);
    expect(status).toBe(0);
  });

  test("fault-A10 trap-K5: a dump of a live instance comes back whole under the other provider, and a watcher hears of it", async () => {
    const dumped = await start(
      `sluice kvs put a.b=1 'c="text"' big="$(head -c 5000 /dev/zero | tr '\\0' x)"; sluice kvs dump d.dump; sluice rpc kvs.version`,
      backing,
    );
    expect(dumped.status).toBe(0);
    const other = PROVIDERS.find((name) => name !== provider) ?? provider;
    const restored = await start(
      "sluice kvs put gone=1 a.b=0; sluice kvs watch -c 2 a.b > watched & " +
        "until grep -q 0 watched; do sleep 0.02; done; " +
        "sluice kvs restore d.dump; wait $!; cat watched; sluice kvs dump | head -1; sluice kvs dir -R; sluice kvs get c",
      { ...backing, statedir: join(box.dir, "other"), "content.backing-module": other },
    );
    const before = (JSON.parse(dumped.stdout) as { version: number }).version;
    const header = restored.stdout.split("\n").find((line) => line.startsWith('{"sluice"')) ?? "{}";
    expect((JSON.parse(header) as { version: number }).version).toBeGreaterThan(before);
    expect(restored.stdout).toMatch(/^0\n1\n/);
    for (const key of ["a.b", "admin.eventlog", "big", "c"]) expect(restored.stdout).toContain(`\n${key}\n`);
    expect(restored.stdout).not.toContain("gone");
    writeFileSync(join(box.dir, "cut.dump"), readFileSync(join(box.dir, "d.dump"), "utf8").slice(0, -20));
    const cut = await start("sluice kvs restore cut.dump; echo $?; sluice kvs get a.b", backing);
    expect(cut.stdout).toBe("1\n1\n");
  });

  test("trap-K13: checkpoints are listed, the newest few stay, and one can be gone back to", async () => {
    const { status, stdout } = await start(
      "for i in 1 2 3 4; do sluice kvs put a=$i; sluice kvs checkpoint make; done; " +
        "sluice kvs checkpoint list --json; sluice kvs restore --checkpoint 2; sluice kvs get a; " +
        "sluice kvs restore --checkpoint 1",
      { ...backing, "kvs.checkpoints": "3" },
    );
    const lines = stdout.split("\n");
    expect(lines.slice(0, 4)).toEqual(["1", "2", "3", "4"]);
    const listed = JSON.parse(lines[4] ?? "") as { number: number; reason: string }[];
    expect(listed.map(({ number }) => number)).toEqual([2, 3, 4]);
    expect(lines[5]).toBe("2");
    expect(status).toBe(1);
    const next = await start("sluice kvs checkpoint list", { ...backing, "kvs.checkpoints": "3" });
    expect(next.stdout).toMatch(/ end$/m);
  });
});

test("trap-K11: content-nats on a damaged bucket ends the instance by itself, with status 1; fsck says where the data is", async () => {
  const nats = await startNats({ jetStream: true });
  onTestFinished(() => nats.kill());
  const backing = { "content.backing-module": "content-nats", "overlay.nats": nats.url };
  expect((await start("sluice kvs put a=1", backing)).status).toBe(0);
  const checked = await box.run(["kvs", "fsck", statedir]);
  expect(checked.status).toBe(1);
  expect(checked.stderr).toContain("has its data on NATS servers, not in files");
  const { instance } = JSON.parse(readFileSync(join(statedir, "instance.json"), "utf8")) as {
    instance: string;
  };
  const connection = await connect({ servers: nats.url });
  await connection.request(`$KV.sluice-${instance}-content.records`, "garbage");
  await connection.close();
  const damaged = await start("sluice kvs get a", backing);
  expect(damaged.status).toBe(1);
  expect(damaged.stderr).toContain("the stored value is not JSON");
});

describe.each(["content-sqlite", "content-files"])("%s", (provider) => {
  const backing = { "content.backing-module": provider };

  test.runIf(process.getuid?.() === 0)(
    "fault-A8 trap-K9: a full disk keeps what was answered, ends in order, and starts again to be read",
    async () => {
      mkdirSync(statedir);
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=6m", "none", statedir]);
      try {
        const fill = box.write(
          "fill.mjs",
          `import { connect } from "${resolve(import.meta.dirname, "../../dist/index.js")}";
           const handle = await connect(process.env.SLUICE_URI);
           let n = 0;
           try {
             for (;; n++) await handle.rpc("kvs.commit", { ops: [{ key: "k" + n, value: n + "x".repeat(20000) }] });
           } catch (error) {
             console.log("full", error.errnum);
           }
           for (let i = 0; i < n; i++) await handle.rpc("kvs.get", { key: "k" + i });
           console.log("read", n);
           await handle.close();`,
        );
        const filled = await start(["node", fill], backing);
        const [, count = "0"] = /full 28\nread (\d+)\n/.exec(filled.stdout) ?? [];
        expect(Number(count)).toBeGreaterThan(50);
        expect(filled.status).toBe(0);
        // All that is left.
        try {
          writeFileSync(join(statedir, "fill"), Buffer.alloc(6_000_000));
        } catch (error) {
          expect(error).toMatchObject({ code: "ENOSPC" });
        }
        const read = await start(
          "sluice kvs get -r k0 | wc -c; sluice kvs dir | wc -l; sluice kvs put z=1; echo put $?",
          backing,
        );
        expect(read.stdout).toBe(`20002\n${Number(count) + 1}\nput 1\n`);
        expect(read.stderr).toContain("the disk is full: values can be read, and none can be set");
        expect(read.status).toBe(0);
      } finally {
        execFileSync("umount", [statedir]);
      }
    },
  );

  test("trap-K11: an instance on a damaged store ends by itself, with status 1", async () => {
    expect((await start("sluice kvs put a=1", backing)).status).toBe(0);
    const file = provider === "content-sqlite" ? "content.sqlite" : "content/segments/00000001.log";
    const { size: bytes } = statSync(join(statedir, file));
    writeFileSync(join(statedir, file), Buffer.alloc(bytes, "garbage "));
    const damaged = await start("sluice kvs get a", backing);
    expect(damaged.status).toBe(1);
  });

  test("trap-K12: fsck names what is damaged, repairs what can be, and refuses a store in use with its holder", async () => {
    const puts = Array.from(
      { length: 3 },
      (_, i) => `k${i}=$(head -c 1000 /dev/zero | tr '\\0' ${"abc".charAt(i)})`,
    ).join(" ");
    const used = await start(`sluice kvs put ${puts}; sluice kvs fsck $PWD/state; echo $?`, backing);
    expect(used.stdout).toBe("1\n");
    expect(used.stderr).toMatch(/is in use by another instance \(pid \d+: /);
    expect((await box.run(["kvs", "fsck", statedir])).status).toBe(0);

    const file = provider === "content-sqlite" ? "content.sqlite" : "content/segments/00000001.log";
    const bytes = readFileSync(join(statedir, file));
    bytes.write("#", bytes.lastIndexOf("b".repeat(900)) + 500);
    writeFileSync(join(statedir, file), bytes);
    const found = await box.run(["kvs", "fsck", statedir]);
    expect(found.status).toBe(1);
    expect(found.stdout).toMatch(
      /value k1, position 2, (1000|1002|0) bytes: the value sha256-\w+ is (damaged|missing)/,
    );
    const repaired = await box.run(["kvs", "fsck", "--repair", "--json", statedir]);
    expect(repaired.status).toBe(0);
    expect(JSON.parse(repaired.stdout)).toMatchObject({ repair: { version: expect.any(Number) as number } });
    expect((await box.run(["kvs", "fsck", statedir])).status).toBe(0);
    const after = await start("sluice kvs get -r k0 | wc -c; sluice kvs dir -R", backing);
    expect(after.stdout).toMatch(/^1001\nk0\nk2\n/);
  });
});

test("trap-K14: dump and restore show how far they are on a terminal, and only there", async () => {
  const value = box.write("value", "x".repeat(3_000_000));
  const { status, stdout, stderr } = await start(
    `for i in 1 2 3; do sluice kvs put k$i=- < ${value}; done; ` +
      'script -qec "sluice kvs dump d.dump" /dev/null; script -qec "sluice kvs restore d.dump" /dev/null; ' +
      "sluice kvs restore d.dump; sluice kvs get -r k3 | wc -c",
  );
  expect(stdout).toMatch(/dump: [\d.]+ MB/);
  expect(stdout).toMatch(/restore: [\d.]+ of 9\.\d MB/);
  expect(stdout).toMatch(/\n3000001\n$/);
  expect(stderr).toMatch(/^restored as version \d+$/m);
  expect(status).toBe(0);
});

test("fault-A9: the parents of a new statedir are on the disk before the instance uses it", async () => {
  statedir = join(box.dir, "one/two");
  const trace = join(box.dir, "trace");
  await box.run(
    ["start", "-S", `statedir=${statedir}`, "-S", "broker.rc1_path=", "-S", "broker.rc3_path=", "true"],
    {
      prefix: ["strace", "-f", "-y", "-e", "trace=fsync", "-o", trace],
    },
  );
  const synced = readFileSync(trace, "utf8");
  for (const parent of [box.dir, join(box.dir, "one")]) expect(synced).toContain(`<${parent}>)`);
  expect(existsSync(statedir)).toBe(true);
});
