import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Finished, Sandbox } from "../helpers/sluice.js";

const FIXTURES = join(import.meta.dirname, "../fixtures");

/** What rc1.py asks for by name. */
const LOADS = [
  ...["content", "heartbeat", "cron", "content-backing", "kvs", "kvs-watch", "sdbus", "sdbus-sys", "sdexec"],
  ...["sdmon", "resource", "job-manager", "job-list", "job-info", "job-ingest", "job-exec", "sched"],
  "feasibility",
];

/** Facts with which each task and unit of the fixture takes part, or not; and what is compared. */
const SITUATIONS: readonly (readonly [phase: string, form: string, ...facts: string[]])[] = [
  ["rc1", "--dry-run"],
  ["rc1", "--show-deps", "--rank", "1", "--size", "4"],
  [
    ...(["rc1", "--show-deps"] as const),
    ...["--attr", "content.restore=/dump", "--attr", "cron.directory=/cron", "--conf=systemd.enable=true"],
    ...["--conf=fake-resources.hosts=n[0-3]", "-S", "sched=sched-fifo"],
  ],
  ["rc1", "--show-deps", "--attr", "broker.recovery-mode=1", "-D", "content-sqlite"],
  ["rc1", "--dry-run", "-D", "content-sqlite", "-D", "content-files"],
  ["rc3", "--dry-run", "--attr", "content.dump=/dump"],
  ["rc3", "--show-deps", "--rank", "1", "--size", "4"],
];

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
  mkdirSync(join(box.dir, "data/modprobe"), { recursive: true });
  cpSync(join(FIXTURES, "flux-units/modprobe.toml"), join(box.dir, "data/modprobe/modprobe.toml"));
});
afterEach(() => {
  expect(box.survivors()).toEqual([]);
  box.remove();
});

function modprobe(args: readonly string[], libexec: string): Promise<Finished> {
  const env = { SLUICE_DATADIR: join(box.dir, "data"), SLUICE_LIBEXECDIR: join(box.dir, libexec) };
  return box.run(["modprobe", ...args], { env });
}

/** The site's files in Python, and the same relations in TOML. */
function putSite(): void {
  for (const name of ["rc1.py", "rc3.py"]) {
    mkdirSync(join(box.dir, "site/modprobe"), { recursive: true });
    cpSync(join(FIXTURES, "flux-site", name), join(box.dir, "site/modprobe", name));
  }
  const tasks = readFileSync(join(FIXTURES, "flux-units/tasks.toml"), "utf8");
  const [up = "", down = ""] = tasks.split(/(?=\[\[tasks\]\]\nname = "run-all-rc3")/);
  mkdirSync(join(box.dir, "plain/modprobe"), { recursive: true });
  writeFileSync(join(box.dir, "plain/modprobe/rc1.toml"), `load = ${JSON.stringify(LOADS)}\n${up}`);
  writeFileSync(join(box.dir, "plain/modprobe/rc3.toml"), `remove = ["all"]\n${down}`);
}

describe("the files of a site with Flux, where there is no Flux", () => {
  test("are planned with the order, members and predecessors of the same relations in TOML", async () => {
    putSite();
    for (const args of SITUATIONS) {
      const [site, plain] = await Promise.all([modprobe(args, "site"), modprobe(args, "plain")]);
      const found = { args, status: site.status, out: site.stdout };
      expect(found).toEqual({ args, status: 0, out: plain.stdout });
    }
  });

  test("name what was missing, once, and warn of nothing that only tasks use", async () => {
    putSite();
    const { status, stdout, stderr } = await modprobe(["rc1", "--dry-run"], "site");
    const file = join(box.dir, "site/modprobe/rc1.py");
    const names =
      "flux.job.stats_of_tomorrow, flux.constants.FLUX_NODEID_OF_TOMORROW, flux.modprobe.JobHelperOfTomorrow, site_tools_of_tomorrow";
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: `sluice-modprobe: ${file}: read with stand-ins for ${names}\n`,
    });
    const order = stdout.trimEnd().split("\n");
    // content-sqlite is defined after content-files, which decides where priorities are equal.
    expect(order).toContain("load content-sqlite");
    expect(order.at(-1)).toBe("run run-all-rc1");
    const before = (first: string, second: string): void =>
      expect(order.indexOf(first), `${first} < ${second}`).toBeLessThan(order.indexOf(second));
    before("load content-sqlite", "run fsck");
    before("run fsck", "load kvs");
    before("run post-start-event", "run check-clean-shutdown");
  });

  test.each(["verify", "explain sched", "plan", "plan --matrix --size 8", "graph", "list-dependencies kvs"])(
    "%s takes them",
    async (command) => {
      putSite();
      const { status, stdout, stderr } = await modprobe(command.split(" "), "site");
      expect({ command, status, stderr: stderr.match(/Error|Traceback/) }).toEqual({
        command,
        status: 0,
        stderr: null,
      });
      if (command !== "verify") expect(stdout).not.toBe("");
    },
  );
});

const TEN = `
import flux.one, flux.two.deep
import flux.three as three
from flux import four, five
from flux.modprobe import task, six
from flux.kvs import seven
import eight
from nine.deep import nine
from os import ten
@task("t", ranks="0")
def t(context): flux.one.go(flux.two.deep, three, four, five, six, seven, eight, nine, ten)
`;

describe("an rc file that imports what does not exist", () => {
  test("plans with ten such names", async () => {
    box.write("ten.py", TEN);
    const { status, stdout, stderr } = await box.run(["modprobe", "run", "--dry-run", "ten.py"]);
    expect({ status, stdout }).toEqual({ status: 0, stdout: "run t\n" });
    expect(stderr).toMatch(/read with stand-ins for flux\.one, flux\.two\.deep, flux\.three, .*os\.ten\n$/);
  });

  test("fails at the import when it is run for real", async () => {
    box.write("ten.py", TEN);
    const { status, stdout, stderr } = await box.run(["modprobe", "run", "ten.py"]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toContain("ten.py:2:1: No module named 'flux.one': Sluice does not provide it");
  });

  test("warns with the place where its setup() decides by such a name", async () => {
    const file = box.write(
      "decides.py",
      `from flux.modprobe import task
from flux.job import has_queue
def setup(context):
    if has_queue("batch"):
        context.set_alternative("sched", "sched-fifo")
    context.load_modules(["kvs", has_queue.module])
@task("t")
def t(context): pass
`,
    );
    const planned = await box.run(["modprobe", "run", "--dry-run", "decides.py"], {
      env: { SLUICE_DATADIR: join(box.dir, "data") },
    });
    expect(planned.status).toBe(0);
    expect(planned.stdout).toContain("load kvs\n");
    expect(planned.stderr).toContain(`${file}:4:1: `);
    expect(planned.stderr).toContain(
      "'flux.job.has_queue()' cannot be imported here; a stand-in counted as true",
    );
    expect(planned.stderr).toContain(`${file}:6:1: `);
    mkdirSync(join(box.dir, "site/modprobe"), { recursive: true });
    cpSync(file, join(box.dir, "site/modprobe/rc1.py"));
    const verified = await modprobe(["verify", "--json"], "site");
    const [run] = (JSON.parse(verified.stdout) as { runs: { results: { ruleId: string }[] }[] }).runs;
    expect(run?.results.filter(({ ruleId }) => ruleId === "RC_STAND_IN")).toHaveLength(2);
  });

  test("has the facts in setup() that it asks the handle for, without an instance", async () => {
    box.write(
      "facts.py",
      `from flux.modprobe import task
def setup(context):
    h = context.handle
    context.load_modules([f"m-{h.get_rank()}-{h.attr_get('a', 'none')}-{h.conf_get('b.c')}"])
@task("t")
def t(context): pass
`,
    );
    box.write("m.toml", "");
    const { stderr } = await box.run(
      [
        "modprobe",
        "run",
        "--dry-run",
        "--rank",
        "3",
        "--size",
        "4",
        "--attr",
        "a=x",
        "--conf=b.c=7",
        "facts.py",
      ],
      {},
    );
    expect(stderr).toContain("m-3-x-7");
  });
});

const IN_TYPESCRIPT = `
import tools, { run as runTools } from "site-tools-of-tomorrow";
import * as queues from "@site/queues";
import { helper } from "./beside.js";
import { readFileSync } from "node:fs";
import type { Nothing } from "site-types-of-tomorrow";
import { type Context, task } from "sluice/rc";

export function setup(c: Context): void {
  const size: Nothing | number = readFileSync("/dev/null").length;
  c.loadModules(["kvs", helper(size)]);
}
task("t", { after: ["kvs"], ranks: "0" }, async (c) => c.print(tools.status, await runTools(), queues.list()));
`;

describe("an rc file in TypeScript that imports packages that do not exist", () => {
  const env = (): Record<string, string> => ({ SLUICE_DATADIR: join(box.dir, "data") });
  const plan = (file: string): Promise<Finished> =>
    box.run(["modprobe", "run", "--dry-run", file], { env: env() });

  test("plans, with the files beside it, and names them once", async () => {
    box.write(
      "beside.ts",
      `import deep from "deeper-of-tomorrow";\nexport const helper = (n: number) => (deep.x, "cron");\n`,
    );
    const file = box.write("site.ts", IN_TYPESCRIPT);
    const { status, stdout, stderr } = await plan("site.ts");
    const names = "site-tools-of-tomorrow, @site/queues, deeper-of-tomorrow";
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: `sluice-modprobe: ${file}: read with stand-ins for ${names}\n`,
    });
    const order = stdout.trimEnd().split("\n");
    expect(order).toContain("load cron sync=heartbeat.pulse");
    expect(order.indexOf("load kvs")).toBeLessThan(order.indexOf("run t"));
  });

  test("fails at the import when it is run for real", async () => {
    box.write("beside.ts", `export const helper = () => "cron";\n`);
    box.write("site.ts", IN_TYPESCRIPT);
    const { status, stdout, stderr } = await box.run(["modprobe", "run", "site.ts"], { env: env() });
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toContain("Cannot find module 'site-tools-of-tomorrow'");
  });

  test("warns with the place wherever its code decides by such a name", async () => {
    const file = box.write(
      "decides.ts",
      `import { hasQueue, count, names, flag } from "site-tools-of-tomorrow";
import { type Context, task } from "sluice/rc";
export function setup(c: Context): void {
  if (hasQueue("batch")) c.setAlternative("sched", "sched-fifo");
  const many = flag ? 1 : 2;
  if (count === 3) c.enable("cron");
  for (const name of names) c.loadModules([name]);
  c.loadModules(["kvs", hasQueue.module]);
  c.setopt("kvs", \`size=\${many} \${count}\`);
  while (!flag) break;
}
task("t", { after: [names.first], ranks: "0" }, (c) => { if (flag) c.print(flag); });
`,
    );
    const { status, stderr } = await plan("decides.ts");
    expect(status).toBe(0);
    const found = stderr.split("\n").flatMap((line) => {
      const [, place, text] =
        new RegExp(`^${file}:(\\d+):1: (.*)$`).exec(line.replace("sluice-modprobe: ", "")) ?? [];
      return place === undefined ? [] : [`${place} ${text ?? ""}`];
    });
    const name = (what: string): string => `'site-tools-of-tomorrow.${what}' cannot be imported here; `;
    expect(found.map((line) => line.replace(/^(\d+ )(?:warning: )?/, "$1"))).toEqual([
      expect.stringContaining(`12 ${name("names.first")}the after of task t depends on the import`),
      expect.stringContaining(`4 ${name("hasQueue()")}a stand-in counted as true`),
      expect.stringContaining(`5 ${name("flag")}a stand-in counted as true`),
      expect.stringContaining(`6 ${name("count")}a stand-in counted as different`),
      expect.stringContaining(`7 ${name("names")}a stand-in counted as empty`),
      expect.stringContaining(
        `8 ${name("hasQueue.module")}the effect of loadModules() depends on the import`,
      ),
      expect.stringContaining(`9 ${name("count")}an argument of a module depends on the import`),
      expect.stringContaining(`10 ${name("flag")}a stand-in counted as true`),
    ]);
  });

  test("fails in a plan too for a file that is missing beside it, and for a mistake of its own", async () => {
    box.write("beside.ts", `import "./nowhere.js";\nimport "site-tools-of-tomorrow";\n`);
    box.write("wants.ts", `import "./beside.js";\n`);
    const missing = await plan("wants.ts");
    expect(missing.status).toBe(1);
    expect(missing.stderr).toContain("nowhere.js");
    box.write("throws.ts", `import "site-tools-of-tomorrow";\nthrow new Error("no such site");\n`);
    const throws = await plan("throws.ts");
    expect({ status: throws.status, stderr: throws.stderr }).toMatchObject({
      ...{ status: 1, stderr: expect.stringContaining("throws.ts:2:7: no such site") as string },
    });
  });
});
