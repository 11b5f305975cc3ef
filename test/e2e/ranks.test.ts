/** Instances of several ranks, each broker a process of its own. */
import { readdirSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";

let box: Sandbox;
let env: Record<string, string>;
beforeEach(() => {
  box = new Sandbox();
  env = { SLUICE_CONFDIR: join(box.dir, "conf") };
});
afterEach(() => {
  box.remove();
});

const DEADLINE = { timeout: 30_000 };
/** In the initial program: the socket of another rank. */
const AT = (rank: number): string => `SLUICE_URI=$(dirname $SLUICE_URI)/local-${rank}`;

function siteFile(path: string, text: string): string {
  return box.write(`conf/modprobe/${path}`, text);
}

function expectNothingLeft(): void {
  expect(box.leftovers()).toEqual([]);
  expect(box.survivors()).toEqual([]);
}

/** No modules, so that a test of ranks does not wait for them. */
const BARE = ["-S", "broker.rc1_path=", "-S", "broker.rc3_path="];

test("fault-F4: shipped modules that are loaded on all ranks make no warning of those that are for rank 0", async () => {
  const script = "sluice exec -r all sluice modprobe load kvs; sluice exec -r all sluice modprobe remove kvs";
  const { status, stderr } = await box.run(["start", "-s", "2", ...BARE, script], { env });
  expect([status, stderr]).toEqual([0, ""]);
});

describe("start -s 3", () => {
  test("is three brokers that find each other, each with attributes of its own, and leaves nothing", async () => {
    const names = "rank size hostname local-uri instance-id site.colour";
    const { status, stdout, stderr } = await box.run([
      ...["start", "-s", "3", "-S", "site.colour=blue", "--conf=site.key=7"],
      [0, 1, 2]
        .map(
          (rank) =>
            `for n in ${names}; do ${AT(rank)} sluice getattr $n; done; ${AT(rank)} sluice config get site.key`,
        )
        .join("; "),
    ]);
    expect(stderr).toBe("");
    expect(status).toBe(0);
    const lines = stdout.trimEnd().split("\n");
    const ranks = [lines.slice(0, 7), lines.slice(7, 14), lines.slice(14, 21)];
    const rundir = dirname((ranks[0]?.[3] ?? "").replace("local://", ""));
    expect(dirname(rundir)).toBe(box.runtimeDir);
    const id = ranks[0]?.[4] ?? "";
    expect(id).toMatch(/^[0-9a-f]{16}$/);
    expect(ranks).toEqual(
      [0, 1, 2].map((rank) => [
        String(rank),
        "3",
        hostname(),
        `local://${rundir}/local-${rank}`,
        id,
        "blue",
        "7",
      ]),
    );
    expectNothingLeft();
  });

  test("says how its ranks stand, as a table and as JSON, on any rank", async () => {
    const { status, stdout } = await box.run([
      ...["start", "-s", "3", ...BARE],
      // The quorum is all ranks, so that all are in by now.
      `sluice overlay status; ${AT(2)} sluice overlay status --json`,
    ]);
    expect(status).toBe(0);
    const [summary, head, ...rows] = stdout.trimEnd().split("\n");
    expect(summary).toBe("full: 3 of 3 ranks are online");
    expect(head).toBe("Rank State  Since");
    for (const rank of [0, 1, 2])
      expect(rows[rank]).toMatch(new RegExp(`^   ${rank} online \\d{4}-\\d\\d-\\d\\dT`));
    const json: unknown = JSON.parse(rows[3] ?? "");
    expect(json).toMatchObject({
      state: "full",
      size: 3,
      ranks: [0, 1, 2].map((rank) => ({ rank, state: "online", since: expect.any(Number) as number })),
    });
    expectNothingLeft();
  });

  test("runs rc1 and rc3 on each rank, rank 0 first and last, with the rank's own facts", async () => {
    const seen = join(box.dir, "seen");
    for (const [phase, sleep] of [
      ["rc1", 0],
      ["rc3", 0.2],
    ] as const) {
      siteFile(
        `${phase}.d/mark.toml`,
        `[[tasks]]\nname = "mark-${phase}"\nrunlevels = ["${phase}"]\n` +
          `command = "sleep ${sleep}; echo ${phase} $(sluice getattr rank) >> ${seen}"\n`,
      );
    }
    siteFile(
      "rc1.d/one.toml",
      `[[tasks]]\nname = "one"\nranks = "1"\nafter = ["mark-rc1"]\ncommand = "echo only $(sluice getattr rank) >> ${seen}"\n`,
    );
    const { status, stderr } = await box.run(["start", "-s", "3", `echo program >> ${seen}`], { env });
    expect(stderr).toBe("");
    expect(status).toBe(0);
    const lines = readFileSync(seen, "utf8").trimEnd().split("\n");
    expect(lines[0]).toBe("rc1 0");
    expect(lines.slice(1, 4).sort()).toEqual(["only 1", "rc1 1", "rc1 2"]);
    expect(lines[4]).toBe("program");
    expect(lines.slice(5, 7).sort()).toEqual(["rc3 1", "rc3 2"]);
    expect(lines[7]).toBe("rc3 0");
    expect(lines.length).toBe(8);
    expectNothingLeft();
  });

  test("keeps state apart by rank in one statedir", async () => {
    const statedir = join(box.dir, "state");
    const { status, stdout } = await box.run([
      ...["start", "-s", "3", ...BARE, "-S", `statedir=${statedir}`],
      [0, 1, 2].map((rank) => `${AT(rank)} sluice getattr statedir`).join("; "),
    ]);
    expect(status).toBe(0);
    expect(stdout).toBe(`${statedir}\n${statedir}/rank-1\n${statedir}/rank-2\n`);
    expectNothingLeft();
  });

  test("says once what is wrong with what all ranks are told, and leaves nothing", async () => {
    for (const [flag, text] of [
      ["-Sbroker.quorum=4", "attribute broker.quorum must be a number of ranks from 1 to 3"],
      ["-Sbroker.shutdown-timeout=soon", "attribute broker.shutdown-timeout must be seconds"],
      ["--conf=modules=3", "expected tables, got an integer"],
    ] as const) {
      const { status, stderr } = await box.run(["start", "-s", "3", flag, "true"]);
      expect(status).toBe(1);
      expect(stderr.split("\n").filter((line) => line.includes(text)).length).toBe(1);
      expectNothingLeft();
    }
  });
});

describe("the units of a real system", () => {
  test("put on rank 1 of 2 what is meant to be there", async () => {
    const fixtures = join(import.meta.dirname, "../fixtures/flux-units");
    const units = readFileSync(join(fixtures, "modprobe.toml"), "utf8");
    const names = [...units.matchAll(/^name = "(.*)"$/gm)].map((match) => match[1] ?? "");
    // Their relations, over modules that do nothing.
    const dir = join(box.dir, "units");
    for (const name of [...names, "sdbus"]) {
      box.write(`modules/${name}.mjs`, "export async function modMain(h) { await h.run(); }\n");
    }
    box.write("units/modprobe/modprobe.toml", units);
    const loads = [
      ...[
        "content",
        "heartbeat",
        "cron",
        "content-backing",
        "kvs",
        "kvs-watch",
        "sdbus",
        "sdbus-sys",
        "sdexec",
      ],
      ...[
        "sdmon",
        "resource",
        "job-manager",
        "job-list",
        "job-info",
        "job-ingest",
        "job-exec",
        "sched",
        "feasibility",
      ],
    ];
    box.write("units/modprobe/rc1.toml", `load = ${JSON.stringify(loads)}\n`);
    box.write("units/modprobe/rc3.mjs", "export function setup(c) { c.removeModules(null); }\n");
    const { status, stdout, stderr } = await box.run(
      ["start", "-s", "2", `sluice module list; echo; ${AT(1)} sluice module list`],
      {
        env: {
          SLUICE_DATADIR: dir,
          SLUICE_LIBEXECDIR: dir,
          FLUX_MODULE_PATH: join(box.dir, "modules"),
        },
      },
    );
    expect(stderr).toBe("");
    expect(status).toBe(0);
    const [zero = [], one = []] = stdout.split("\n\n").map((table) =>
      table
        .trimEnd()
        .split("\n")
        .slice(1)
        .map((line) => line.split(" ")[0]),
    );
    expect(one.sort()).toEqual(
      ["content", "heartbeat", "job-info", "job-ingest", "kvs", "kvs-watch", "resource"].sort(),
    );
    expect(zero).toEqual(expect.arrayContaining(["content-sqlite", "cron", "job-manager", "sched-simple"]));
    expectNothingLeft();
  });
});

describe("quorum", () => {
  test("that a failed rc1 makes impossible ends the start naming the rank; rc3 runs, the program does not", async () => {
    const ranRc3 = join(box.dir, "rc3-ran");
    siteFile("rc1.d/boom.toml", '[[tasks]]\nname = "boom"\nranks = "1"\ncommand = "exit 3"\n');
    siteFile(
      "rc3.d/mark.toml",
      `[[tasks]]\nname = "mark"\ncommand = "sluice getattr rank >> ${ranRc3}"\nrunlevels = ["rc3"]\n`,
    );
    const { status, stdout, stderr } = await box.run(["start", "-s", "3", "echo program"], { env });
    expect(status).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/^rc1\[1\]: sluice-modprobe: boom: .*3/m);
    expect(stderr).toMatch(/^broker\.err\[1\]: rc1 failed with status 1$/m);
    expect(stderr).toMatch(
      /^broker\.err\[0\]: no quorum: .* of 3 ranks have joined \(needed: 3\); .*rc1 failed: rank 1/m,
    );
    expect(readFileSync(ranRc3, "utf8").trimEnd().split("\n").sort()).toEqual(["0", "1", "2"]);
    expectNothingLeft();
  });

  test("of fewer ranks lets the program run without one whose rc1 failed", async () => {
    siteFile("rc1.d/boom.toml", '[[tasks]]\nname = "boom"\nranks = "1"\ncommand = "exit 3"\n');
    const { status, stdout } = await box.run(
      ["start", "-s", "3", "-S", "broker.quorum=2", "sluice overlay status --json"],
      { env },
    );
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ state: "partial", size: 3 });
    expectNothingLeft();
  });

  test("that is not reached in time ends the start naming the ranks that are missing", async () => {
    siteFile("rc1.d/slow.toml", '[[tasks]]\nname = "slow"\nranks = "1-2"\ncommand = "sleep 1000"\n');
    const { status, stdout, stderr } = await box.run(
      ["start", "-s", "3", "-S", "broker.quorum-timeout=1", "echo program"],
      { env },
    );
    expect(status).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toMatch(
      /^broker\.err\[0\]: no quorum within 1 s: 1 of 3 ranks have joined \(needed: 3\); missing: ranks 1-2$/m,
    );
    expectNothingLeft();
  });
});

describe("a hanging rc1", () => {
  test.each([1, 2])(
    "is cut off by the time-out of its unit, which is named; rc3 runs all the same (size %i)",
    async (size) => {
      const ranRc3 = join(box.dir, "rc3-ran");
      siteFile(
        "rc1.d/hang.toml",
        '[[tasks]]\nname = "hang"\nranks = "0"\ntimeout = "300ms"\ncommand = "sleep 1000"\n',
      );
      siteFile(
        "rc3.d/mark.toml",
        `[[tasks]]\nname = "mark"\nranks = "0"\ncommand = "touch ${ranRc3}"\nrunlevels = ["rc3"]\n`,
      );
      const { status, stdout, stderr } = await box.run(["start", "-s", String(size), "echo program"], {
        env,
      });
      expect(status).toBe(1);
      expect(stdout).toBe("");
      expect(stderr).toMatch(/sluice-modprobe: hang: .*300 ?ms/);
      expect(readdirSync(box.dir)).toContain("rc3-ran");
      expectNothingLeft();
    },
  );

  test("that has no time-out is ended by Ctrl-C on every rank", async () => {
    siteFile("rc1.d/hang.toml", '[[tasks]]\nname = "hang"\ncommand = "echo hanging; sleep 1000"\n');
    const command = box.start(["start", "-v", "-s", "2", "true"], { env });
    await command.waitFor("run hang\n");
    command.kill("SIGINT");
    expect((await command.finished).status).toBe(130);
    expectNothingLeft();
  });
});

describe("the end", () => {
  test("comes in order with SIGTERM, and has the status of the signal", async () => {
    const command = box.start(["start", "-s", "3", "echo ready; exec sleep 1000"]);
    await command.waitFor("ready\n");
    command.kill("SIGTERM");
    const { status, stderr } = await command.finished;
    expect(status).toBe(143);
    expect(stderr).toBe("");
    expectNothingLeft();
  });

  test("comes for all when any rank asks for it, and with status 1 when a module fails on one", async () => {
    const asked = await box.run([
      "start",
      "-s",
      "2",
      ...BARE,
      `${AT(1)} sluice rpc broker.shutdown; exec sleep 1000`,
    ]);
    expect(asked.status).toBe(143);
    const file = box.write(
      "frail.mjs",
      'export async function modMain(h) { h.handle("die", () => { setTimeout(() => { throw new Error("late"); }); }); await h.run(); }\n',
    );
    const failed = await box.run([
      ...["start", "-s", "2", ...BARE],
      `export ${AT(1)}; sluice module load ${file} && sluice rpc frail.die; exec sleep 1000`,
    ]);
    expect(failed.stderr).toMatch(/^broker\.crit\[1\]: frail module runtime failure/m);
    expect(failed.status).toBe(1);
    expectNothingLeft();
  });

  test("has status 1 when the rc3 of another rank fails", async () => {
    siteFile(
      "rc3.d/boom.toml",
      '[[tasks]]\nname = "boom"\nranks = "1"\ncommand = "exit 3"\nrunlevels = ["rc3"]\n',
    );
    const { status, stderr } = await box.run(["start", "-s", "2", "true"], { env });
    expect(stderr).toMatch(/^broker\.err\[1\]: rc3 failed with status 1$/m);
    expect(status).toBe(1);
    expectNothingLeft();
  });

  test("does not wait longer than broker.shutdown-timeout for what will not go", async () => {
    const hang = '[[tasks]]\nname = "hang"\nranks = "1"\ncommand = "sleep 1000"\nrunlevels = ["rc3"]\n';
    siteFile("rc3.d/hang.toml", hang);
    const command = box.start(
      ["start", "-s", "2", "-S", "broker.shutdown-timeout=1s", "echo ready; exec sleep 1000"],
      {
        env,
      },
    );
    await command.waitFor("ready\n");
    command.kill("SIGTERM");
    expect((await command.finished).status).toBe(143);
    expectNothingLeft();
  });
});

describe("a rank by hand", () => {
  test("comes back under its number after it was lost, runs its rc1 and serves again", async () => {
    const script = box.write(
      "script",
      [
        `D=$(dirname \${SLUICE_URI#local://})`,
        `kill -9 $(${AT(1)} sluice getattr broker.pid)`,
        `until sluice overlay status | grep -q lost; do :; done`,
        `sluice broker --rank 1 & B=$!`,
        `until sluice overlay status | grep -q full; do :; done`,
        `${AT(1)} sluice module list`,
        `sluice rpc resource.status`,
        `sluice broker --rank 1; echo again $?`,
        `sluice broker --rank 1 --size 5; echo size $?`,
      ].join("\n"),
    );
    const { status, stdout, stderr } = await box.run(["start", "-s", "2", "bash", script]);
    expect(stdout).toMatch(/^kvs-watch /m);
    expect(stdout).toMatch(/"rank":1,/);
    expect(stdout).toMatch(/^again 1$/m);
    expect(stdout).toMatch(/^size 1$/m);
    expect(stderr).toMatch(/^broker\.err\[0\]: rank 1 is lost$/m);
    expect(stderr).toMatch(/^sluice-start: rank 1 was killed by SIGKILL$/m);
    expect(stderr).toMatch(/^sluice-broker\[1\]: rank 1 has already joined$/m);
    expect(stderr).toMatch(/^sluice-broker\[1\]: rank 1 belongs to an instance of size 5, not 2$/m);
    expect(status).toBe(0);
    await expect.poll(() => box.survivors(), DEADLINE).toEqual([]);
    expectNothingLeft();
  });

  test("may be every rank of an instance, started in any order", async () => {
    const own = ["--size", "2", "--rundir", box.runtimeDir, "-S", "instance-id=by-hand", ...BARE];
    const one = box.start(["broker", "--rank", "1", ...own]);
    const zero = box.start(["broker", "--rank", "0", ...own, "-S", "log-stderr-level=7"]);
    await zero.waitFor("broker.debug[0]: state run\n");
    const { stdout } = await box.run(["overlay", "status", "--uri", `local://${box.runtimeDir}/local-1`]);
    expect(stdout).toMatch(/^full: 2 of 2 ranks are online$/m);
    zero.kill("SIGTERM");
    expect((await zero.finished).status).toBe(143);
    expect((await one.finished).status).toBe(0);
    expectNothingLeft();
  });

  test("has to be one that there is, of an instance that there is", async () => {
    expect((await box.run(["broker", "--rank", "3", "--size", "3", "--rundir", box.dir])).status).toBe(1);
    expect((await box.run(["broker", "--rank", "1"])).status).toBe(2);
    expect((await box.run(["broker", "--size", "2"])).status).toBe(2);
    const missing = await box.run(["broker", "--rank", "1", "--rundir", join(box.dir, "none")]);
    expect(missing.status).toBe(1);
    expect(missing.stderr).toContain("no such directory");
  });
});

describe("kill -9", () => {
  /** When each state of rank 0's life has begun, as its log says. */
  const MOMENTS = [
    "state init",
    "state quorum",
    "state run",
    "state cleanup",
    "state shutdown",
    "state finalize",
  ];
  const START = ["start", "-s", "3", "-S", "log-stderr-level=7", "-S", "broker.quorum-timeout=20"];
  /** Moments at which no module runs yet, so that none needs to be loaded for them. */
  const EARLY = ["state init", "state quorum"];
  const WITHOUT_MODULES = ["-S", "broker.rc1_path=sleep 0.1", "-S", "broker.rc3_path=true"];

  /** The process of a rank's broker, by its command line. */
  function brokerOf(rank: number): number | undefined {
    return box
      .survivors()
      .map(Number)
      .find((pid) => commandLine(pid).includes(` broker --rank=${rank} `));
  }

  for (const [rank, expected] of [
    [0, [1]],
    // Before the quorum it cannot come any more, unless rank 0 did not need it any more; afterwards the rest goes on.
    [2, [0, 1]],
  ] as const) {
    test.each(MOMENTS)(`of rank ${rank} in "%s" of rank 0 leaves nothing`, async (moment) => {
      const phases = EARLY.includes(moment) ? WITHOUT_MODULES : [];
      const command = box.start([...START, ...phases, "sleep 0.2"]);
      await command.waitFor(`broker.debug[0]: ${moment}\n`);
      const pid = brokerOf(rank);
      if (pid !== undefined) kill(pid);
      const { status, stderr } = await command.finished;
      expect(expected).toContain(status);
      if (rank === 0)
        expect(stderr).toContain("sluice-start: rank 0 was killed by SIGKILL: the instance ends\n");
      expectNothingLeft();
    });
  }

  test("of a rank that has not joined ends the start, naming it", async () => {
    const command = box.start([...START, "true"]);
    await expect.poll(() => brokerOf(2), DEADLINE).toBeDefined();
    kill(brokerOf(2) ?? 0);
    const { status, stderr } = await command.finished;
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^broker\.err\[0\]: no quorum: .* of 3 ranks have joined \(needed: 3\); .*lost: rank 2$/m,
    );
    expectNothingLeft();
  });

  test("of a rank in its rc1 ends what that was running", async () => {
    siteFile("rc1.d/hang.toml", '[[tasks]]\nname = "hang"\nranks = "1"\ncommand = "sleep 1000; true"\n');
    const command = box.start([...START, "-v", "true"], { env });
    await command.waitFor("rc1[1]: run hang\n");
    kill(brokerOf(1) ?? 0);
    const { status, stderr } = await command.finished;
    expect(status).toBe(1);
    expect(stderr).toMatch(/lost: rank 1$/m);
    expectNothingLeft();
  });

  test("of start takes every rank down", async () => {
    const command = box.start(["start", "-s", "3", "echo ready; exec sleep 1000"]);
    await command.waitFor("ready\n");
    command.kill("SIGKILL");
    await command.finished;
    await expect.poll(() => box.survivors(), DEADLINE).toEqual([]);
    await expect.poll(() => box.leftovers(), DEADLINE).toEqual([]);
  });

  test("of start and of a rank takes every rank down, and what both have left", async () => {
    const command = box.start(["start", "-s", "3", ...BARE, "echo ready; exec sleep 1000"]);
    await command.waitFor("ready\n");
    kill(brokerOf(2) ?? 0);
    command.kill("SIGKILL");
    await command.finished;
    await expect.poll(() => box.survivors(), DEADLINE).toEqual([]);
    await expect.poll(() => box.leftovers(), DEADLINE).toEqual([]);
  });
});

test("a rank that hangs is killed when the others have gone, and the status is 1", async () => {
  const { status, stderr } = await box.run([
    ...["start", "-s", "3", ...BARE, "-S", "broker.shutdown-timeout=500ms"],
    'kill -STOP "$(sluice getattr -r 2 broker.pid)"',
  ]);
  expect(stderr).toMatch(/^broker\.err\[0\]: rank 2 did not leave within 1\.5 s$/m);
  expect(status).toBe(1);
  expectNothingLeft();
});

/** One that has gone meanwhile is fine. */
function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return "";
  }
}

test("100,000 events from four ranks at once come to all eight in one order without a gap", async () => {
  const library = join(import.meta.dirname, "../../dist/index.js");
  const program = box.write(
    "events.mjs",
    `import { createHash } from "node:crypto";
import { dirname } from "node:path";
import { connect } from ${JSON.stringify(library)};
const uri = (rank) => dirname(process.env.SLUICE_URI) + "/local-" + rank;
const handles = await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map((rank) => connect(uri(rank))));
const hashes = handles.map(() => createHash("sha256"));
const all = Promise.all(handles.map((h, rank) => new Promise((resolve, reject) => {
  let count = 0, last;
  h.subscribe("load.*", (event) => {
    if (last !== undefined && event.seq !== last + 1) reject(new Error(rank + ": " + event.seq + " follows " + last));
    last = event.seq;
    hashes[rank].update(event.seq + event.topic + event.payload + ";");
    if (++count === 100000) resolve();
  });
})));
await Promise.all(handles.map((h) => h.rpc("attr.list")));
await Promise.all([1, 3, 5, 7].map(async (rank) => {
  for (let n = 0; n < 25000; n += 500) {
    await Promise.all(Array.from({ length: 500 }, (_, i) => handles[rank].publish("load.r" + rank, n + i)));
  }
}));
await all;
console.log(new Set(hashes.map((hash) => hash.digest("hex"))).size);
await Promise.all(handles.map((h) => h.close()));
`,
  );
  const { status, stdout, stderr } = await box.run(["start", "-s", "8", ...BARE, `node ${program}`]);
  expect(stderr).toBe("");
  expect(stdout).toBe("1\n");
  expect(status).toBe(0);
  expectNothingLeft();
});
