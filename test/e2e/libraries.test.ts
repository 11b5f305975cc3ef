import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Finished, Sandbox } from "../helpers/sluice.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  expect(box.survivors()).toEqual([]);
  expect(box.leftovers()).toEqual([]);
  box.remove();
});

const member = (text: string): string => `{ ${text} main: async (h, ...args) => {
  h.handle("alloc", () => ({ name: h.name, args }));
  h.handle("free", () => ({}));
  await h.run();
} }`;

const library = (modules: Readonly<Record<string, string>>, more = ""): string =>
  `export const sluiceLibrary = { api: "1.0", ${more} modules: {
    ${Object.entries(modules)
      .map(([name, text]) => `${JSON.stringify(name)}: ${member(text)}`)
      .join(", ")}
  } };`;

/** An instance whose units are the fragment, and which loads the names; prints its modules, one a line. */
function start(units: string, load: readonly string[], script = LIST): Promise<Finished> {
  box.write("site/modprobe.d/site.toml", units);
  box.write("site/rc1.d/site.toml", `load = ${JSON.stringify(load)}\n`);
  return box.run(["start", "bash", "-ec", script], {
    env: { FLUX_MODPROBE_PATH_APPEND: `${box.dir}/site` },
  });
}

const LIST = "sluice module list | awk 'NR > 1 { print $1 }'";

describe("[[libraries]]", () => {
  test("define modules that a start loads, by their names or others, with arguments", async () => {
    box.write("lib/scheds.mjs", library({ "sched-fifo": 'kind: "sched",', spare: "", other: "" }));
    const finished = await start(
      `[[libraries]]
       file = "../../lib/scheds.mjs"
       modules = [{ name = "sched-fifo", as = "fifo", args = ["cores=2"] }, "other"]`,
      ["fifo", "other"],
      `${LIST}; sluice rpc sched.alloc; sluice rpc other.alloc`,
    );
    expect(finished).toMatchObject({ status: 0, stderr: "" });
    const lines = finished.stdout.trim().split("\n");
    expect(lines).toEqual(expect.arrayContaining(["fifo", "other"]));
    expect(lines).not.toContain("spare");
    expect(lines.slice(-2)).toEqual(['{"name":"fifo","args":["cores=2"]}', '{"name":"other","args":[]}']);
  });

  test("and a module of a library by FILE#NAME in a unit", async () => {
    box.write("lib/scheds.mjs", library({ a: "" }));
    const units = '[[modules]]\nname = "b"\nmodule = "../../lib/scheds.mjs#a"\nargs = ["x"]\n';
    const finished = await start(units, ["b"], "sluice rpc b.alloc");
    expect(finished).toMatchObject({ status: 0, stdout: '{"name":"b","args":["x"]}\n', stderr: "" });
  });

  test("trap-G9: of which one is bad among five: all its failures are logged and listed, and nothing is instantiated", async () => {
    for (const name of ["a", "b", "c", "d"]) {
      box.write(
        `lib/${name}.mjs`,
        `import { writeFileSync } from "node:fs";
         export const sluiceLibrary = { api: "1.0", modules: { ${name}: { main: async (h) => {
           writeFileSync("${box.dir}/${name}-ran", ""); await h.run(); } } } };`,
      );
    }
    const bad = box.write("lib/bad.mjs", library({ bad: 'kind: "shed", version: "x",' }, 'host: ">=99",'));
    const units = ["a", "b", "bad", "c", "d"]
      .map((name) => `[[libraries]]\nfile = "../../lib/${name}.mjs"\nmodules = ["${name}"]\n`)
      .join("");
    const finished = await start(units, ["a", "b", "bad", "c", "d"], "true");
    expect(finished.status).toBe(1);
    expect(finished.stderr.split("\n")).toEqual(
      expect.arrayContaining([
        expect.stringMatching(
          new RegExp(`^sluice-modprobe: ${bad}: is built for Sluice >=99; this host is `),
        ),
        `sluice-modprobe: ${bad}#bad: its version 'x' is not a version`,
        expect.stringContaining(`sluice-modprobe: ${bad}#bad: is of kind 'shed', which this host lacks`),
        expect.stringMatching(new RegExp(`^broker\\.err: ${bad}: is built for Sluice >=99`)),
      ]),
    );
    const ran = await box.shell(`ls ${box.dir} | grep -c -- -ran`);
    expect(ran.stdout).toBe("0\n");
  });

  test("trap-G7: that are optional and refused are left out; what requires them runs, what needs them does not", async () => {
    const bad = box.write("lib/bad.mjs", "throw new Error('no luck');");
    box.write("lib/good.mjs", library({ user: "", needy: "" }));
    const finished = await start(
      `[[libraries]]
       file = "../../lib/bad.mjs"
       modules = ["nice"]
       optional = true

       [[libraries]]
       file = "../../lib/good.mjs"
       modules = ["user", "needy"]

       [user]
       requires = ["nice"]

       [needy]
       needs = ["nice"]`,
      ["user", "needy"],
    );
    expect(finished.status).toBe(0);
    expect(finished.stdout.split("\n")).toContain("user");
    expect(finished.stdout.split("\n")).not.toEqual(expect.arrayContaining(["needy"]));
    expect(finished.stderr).toContain(`sluice-modprobe: ${bad}: 1:7: no luck (optional, left out)\n`);
    expect(finished.stderr).toContain(`broker.err: ${bad}: 1:7: no luck\n`);
  });

  test("trap-G7: one that is optional and fails as it starts leaves the others alone; one that is not ends the start", async () => {
    box.write(
      "lib/lib.mjs",
      `export const sluiceLibrary = { api: "1.0", modules: {
        nice: { main: () => { throw new Error("no luck"); } }, user: { main: (h) => h.run() } } };`,
    );
    const units = (optional: boolean): string =>
      `[[libraries]]\nfile = "../../lib/lib.mjs"\nmodules = ["nice", "user"]\n
       [nice]\noptional = ${optional}\n[user]\nrequires = ["nice"]\nafter = ["nice"]\n`;
    const good = await start(units(true), ["user"]);
    expect(good.status).toBe(0);
    expect(good.stdout.split("\n")).toContain("user");
    expect(good.stderr).toContain("no luck (optional, left out)\n");
    const bad = await start(units(false), ["user"]);
    expect(bad.status).toBe(1);
    expect(bad.stderr).toContain("no luck");
  });

  test("trap-G10: that define a module of one name in two files are an error with both places", async () => {
    box.write("lib/one.mjs", library({ m: "" }));
    box.write("lib/two.mjs", library({ m: "" }));
    const first = box.write(
      "site/modprobe.d/a.toml",
      '[[libraries]]\nfile = "../../lib/one.mjs"\nmodules = ["m"]\n',
    );
    const units = '[[libraries]]\nfile = "../../lib/two.mjs"\nmodules = ["m"]\n';
    const finished = await start(units, ["m"]);
    expect(finished.status).toBe(1);
    expect(finished.stderr).toContain(`${box.dir}/site/modprobe.d/site.toml:3:12`);
    expect(finished.stderr).toContain(`${first}:3:12`);
    expect(finished.stderr).toContain("lib/one.mjs");
    expect(finished.stderr).toContain("lib/two.mjs");
    box.write(
      "site/modprobe.d/a.toml",
      '[[libraries]]\nfile = "../../lib/two.mjs"\nmodules = ["m", { name = "m", as = "n" }]\n',
    );
    expect(await start(units, ["m", "n"])).toMatchObject({ status: 0, stderr: "" });
  });
});

const MIXED = `export const sluiceLibrary = {
  api: "1.0", host: ">=0.3",
  modules: {
    good: { kind: "sched", kindVersion: "1.0", version: "2.1.0", description: "in order", main: (h) => h.run() },
    next: { kind: "sched", kindVersion: "2.0", requires: ["good"], main: (h) => h.run() },
  },
};`;

describe("without an instance", () => {
  test("module info lists what is inside a library, or tells of one module, and why it would be refused", async () => {
    const path = box.write("lib.mjs", MIXED);
    const whole = await box.run(["module", "info", "./lib.mjs"]);
    expect(whole.status).toBe(0);
    expect(whole.stdout).toMatch(/^api +1\.0$/m);
    expect(whole.stdout.split("\n").slice(-5)).toEqual([
      "modules",
      "  good  2.1.0  sched 1.0  in order",
      "  next  -      sched 2.0  -",
      "    refused: is of kind sched 2.0; this host has sched 1.0",
      "",
    ]);
    const one = await box.run(["module", "info", "--json", "./lib.mjs#good"]);
    expect(JSON.parse(one.stdout)).toMatchObject({
      ...{ type: "thread", name: "good", path, services: ["good", "sched"] },
      ...{ api: "1.0", kind: "sched", version: "2.1.0", description: "in order", refused: [] },
    });
    const gone = await box.run(["module", "info", "./lib.mjs#god"]);
    expect(gone.status).toBe(1);
    expect(gone.stderr).toContain(
      "lib.mjs#god: is not in the library, which has good, next; did you mean 'good'?",
    );
  });

  test("module info runs nothing of a file that says nothing of being a library", async () => {
    box.write(
      "plain.mjs",
      'import { writeFileSync } from "node:fs"; writeFileSync("ran", ""); export const modMain = 1;',
    );
    const { status, stdout } = await box.run(["module", "info", "--json", "./plain.mjs"]);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ name: "plain", api: null, kind: null });
    expect((await box.shell("ls ran")).status).not.toBe(0);
  });

  test("verify reports libraries at the places of their units, and explain says why one would be refused", async () => {
    const path = box.write("lib/lib.mjs", MIXED);
    const copy = box.write(
      "lib/copy.mjs",
      `export const sluiceLibrary = { [Symbol.for("sluice.library")]: "0.2.9", api: "1.0",
        modules: { other: { main: (h) => h.run() } } };`,
    );
    const site = box.write(
      "site/modprobe.d/site.toml",
      `[[libraries]]
file = "../../lib/lib.mjs"
modules = ["good", "next"]

[[modules]]
name = "gone"
module = "../../lib/gone.mjs#gone"

[[libraries]]
file = "../../lib/copy.mjs"
modules = ["other"]
`,
    );
    box.write("site/rc1.d/site.toml", 'load = ["next", "other"]\n');
    const env = { FLUX_MODPROBE_PATH_APPEND: `${box.dir}/site` };
    const verified = await box.run(["modprobe", "verify"], { env });
    expect(verified.status).toBe(1);
    expect(verified.stderr).toContain(
      `${site}:3:20: ${path}#next: is of kind sched 2.0; this host has sched 1.0 [LOAD_LIBRARY]`,
    );
    expect(verified.stderr).toContain(`${path}#next: requires 'good', which is not picked [LOAD_LIBRARY]`);
    expect(verified.stderr).toContain(
      `${site}:7:10: ${box.dir}/lib/gone.mjs#gone: No such file or directory`,
    );
    // trap-G3: both versions.
    expect(verified.stderr).toMatch(new RegExp(`${copy}: made with Sluice 0\\.2\\.9, not \\d`));
    const explained = await box.run(["modprobe", "explain", "next"], { env });
    expect(explained.status).toBe(0);
    expect(explained.stdout).toContain("next: planned, to load");
    expect(explained.stdout).toContain(
      `  refused by the check of its library:\n    ${path}#next: is of kind sched 2.0; this host has sched 1.0\n`,
    );
    const json = await box.run(["modprobe", "explain", "--json", "next", "good"], { env });
    const [next, good] = json.stdout.trim().split("\n");
    expect(JSON.parse(next ?? "")).toMatchObject({
      refused: [expect.stringContaining("sched 2.0"), expect.any(String)],
    });
    expect(JSON.parse(good ?? "")).not.toHaveProperty("refused");
  });
});

describe("--modules", () => {
  test("picks modules for an instance: they are verified before it begins, and loaded in rc1", async () => {
    box.write("lib/lib.mjs", library({ a: "", b: 'kind: "sched",' }));
    const script = `${LIST}; sluice rpc sched.alloc; sluice module remove a; sluice modprobe load a; sluice rpc a.alloc`;
    const started = await box.run([
      "start",
      "--modules=./lib/lib.mjs#a,./lib/lib.mjs:b",
      "bash",
      "-ec",
      script,
    ]);
    expect(started).toMatchObject({ status: 0, stderr: "" });
    const lines = started.stdout.trim().split("\n");
    expect(lines).toEqual(expect.arrayContaining(["a", "b", "kvs"]));
    expect(lines.slice(-2)).toEqual(['{"name":"b","args":[]}', '{"name":"a","args":[]}']);
    const onPath = await box.run(["start", "--modules=lib:a", "sluice", "rpc", "a.alloc"], {
      env: { FLUX_MODULE_PATH: `${box.dir}/lib` },
    });
    expect(onPath).toMatchObject({ status: 0, stdout: '{"name":"a","args":[]}\n' });
  });

  test("that are refused end the start before anything runs, with every reason", async () => {
    const path = box.write("lib/lib.mjs", library({ a: 'kind: "shed",', b: 'requires: ["c"],' }));
    const started = await box.run(["start", "--modules=./lib/lib.mjs#a,./lib/lib.mjs#b", "echo", "ran"]);
    expect(started.status).toBe(1);
    expect(started.stdout).toBe("");
    expect(started.stderr).toContain(`sluice-broker: ${path}#a: is of kind 'shed'`);
    expect(started.stderr).toContain(`sluice-broker: ${path}#b: requires 'c', which is not picked\n`);
  });

  test("changes plans without an instance, and files may change what it picks", async () => {
    const path = box.write("lib/lib.mjs", library({ a: "" }));
    box.write("site/modprobe.d/site.toml", 'a.args = ["x"]\n');
    const env = { FLUX_MODPROBE_PATH_APPEND: `${box.dir}/site` };
    const modules = "--modules=./lib/lib.mjs#a";
    const shown = await box.run(["modprobe", "show", modules, "a"], { env });
    expect(JSON.parse(shown.stdout)).toMatchObject({ name: "a", module: `${path}#a`, args: ["x"] });
    const planned = await box.run(["modprobe", "rc1", "--dry-run", modules], { env });
    expect(planned.stdout.split("\n")).toContain("load a x");
    expect((await box.run(["modprobe", "verify", modules], { env })).status).toBe(0);
    const wrong = await box.run(["modprobe", "show", "--modules=./lib/lib.mjs", "a"]);
    expect(wrong.status).toBe(2);
    expect(wrong.stderr).toContain("'./lib/lib.mjs' picks no module: write FILE#NAME or FILE:NAME.");
  });
});

describe("a module that others require", () => {
  const UNITS = `[[libraries]]
    file = "../../lib/lib.mjs"
    modules = ["base", "mid", "top"]
    [mid]
    requires = ["base"]
    after = ["base"]
    [top]
    requires = ["mid"]
    after = ["mid"]`;
  const LISTED = `${LIST} | grep -E "base|mid|top" | tr "\\n" " "; echo`;

  test("trap-G12: can be removed, loaded and removed again, with the same lists each time", async () => {
    box.write("lib/lib.mjs", library({ base: "", mid: 'requires: ["base"],', top: 'requires: ["mid"],' }));
    const round = `sluice modprobe remove top; ${LISTED}; sluice modprobe load top; ${LISTED}`;
    const finished = await start(UNITS, ["top"], `${LISTED}; ${round}; ${round}; ${round}`);
    expect(finished).toMatchObject({ status: 0, stderr: "" });
    const lines = finished.stdout.split("\n");
    expect(lines).toEqual([
      "base mid top ",
      ...Array.from({ length: 3 }, () => ["", "base mid top "]).flat(),
      "",
    ]);
  });

  test("trap-G13: is reloaded while all others go on", async () => {
    box.write("lib/lib.mjs", library({ base: "", mid: 'requires: ["base"],', top: 'requires: ["mid"],' }));
    const uuids = 'sluice rpc module.list | grep -oE \'"name":"(mid|top)","uuid":"[^"]*\'';
    const finished = await start(UNITS, ["top"], `${uuids}; sluice module reload base; ${LISTED}; ${uuids}`);
    expect(finished).toMatchObject({ status: 0, stderr: "" });
    const [mid, top, listed, ...again] = finished.stdout.trim().split("\n");
    expect(listed?.trim().split(" ").toSorted()).toEqual(["base", "mid", "top"]);
    expect(again).toEqual([mid, top]);
  });
});
