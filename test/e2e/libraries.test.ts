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
          new RegExp(`^sluice-modprobe: ${bad}: is built for Sluice >=99, this host is `),
        ),
        `sluice-modprobe: ${bad}#bad: its version 'x' is not a version`,
        expect.stringContaining(
          `sluice-modprobe: ${bad}#bad: is of kind 'shed', which this host does not know`,
        ),
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
