import { readFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { describe, expect, test } from "vitest";
import { Project } from "./support/project.js";

const GUIDE = readFileSync(join(import.meta.dirname, "../../docs/library.md"), "utf8");

const TSC = join(import.meta.dirname, "../../node_modules/typescript/bin/tsc");

const TYPED_HOST = `
import { Broker, composeUnits, connect, type Handle, plan, StartError, type UnitOutcome } from "sluice";
import { type Context, task } from "sluice/rc";

const units = await composeUnits({ searchPath: ["./modprobe"] });
if (!units.ok) throw new Error(units.diagnostics.map(({ message }) => message).join());
const planned = plan(units.value, { roots: ["sched"], facts: { rank: 0, size: 1 } });
if (planned.ok) planned.value.graph().nodes();
const broker: Broker = await Broker.start({ units, config: { site: { a: 1 } }, timeoutMs: 1000 });
const handle: Handle = await broker.connect();
const outcomes: readonly UnitOutcome[] = broker.units;
const remote = await connect(broker.uri, { signal: AbortSignal.timeout(1000) });
await remote.publish("site.up", outcomes.length, { timeoutMs: 100 });
task("site", async (c: Context) => c.print(await c.rpc("kvs.ping")));
// @ts-expect-error a topic is text
await handle.rpc(3);
export const isStart = (error: unknown): boolean => error instanceof StartError;
`;

const GREETER = `
export function modMain(handle) {
  handle.handle("hello", ({ payload }) => ({ text: "hello " + payload.name }));
  return handle.run();
}
`;

function blockOf(language: string): string {
  const block = new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, "m").exec(GUIDE)?.[1];
  if (block === undefined) throw new Error(`docs/library.md has no block of ${language}`);
  return block;
}

function greeterProject(): Project {
  const project = new Project();
  project.write("modprobe/modprobe.d/greeter.toml", `modules = [{name = "greeter"}]\n`);
  project.write("modules/greeter.mjs", GREETER);
  return project;
}

describe("docs/library.md", () => {
  test("has an example that prints what it says", async () => {
    const project = greeterProject();
    const file = project.write("host.mjs", blockOf("js"));
    expect(await project.node(file)).toEqual({ stdout: blockOf("text"), stderr: "" });
  });
});

describe("docs/library.md on one module", () => {
  test("has an example that opens, starts, stops and unloads it", async () => {
    const project = greeterProject();
    const file = project.write("host.mjs", blockOf("ts"));
    const { stdout, stderr } = await project.node(file);
    expect(stderr).toBe("");
    expect(stdout).toMatch(
      /^greeter thread sha256-[0-9a-f]{64}\n\{ text: 'hello Ada' \}\n\{ kind: 'ok' \}\n$/,
    );
  });
});

describe("a project that uses the package", () => {
  test("trap-H7: gets the same classes by import and by require", async () => {
    const project = new Project();
    const file = project.write(
      "host.mjs",
      `import { createRequire } from "node:module";
       import * as imported from "sluice";
       const required = createRequire(import.meta.url)("sluice");
       const names = Object.keys(imported).sort();
       const differing = names.filter((name) => imported[name] !== required[name]);
       console.log(JSON.stringify({ differing, missing: Object.keys(required).filter((n) => !names.includes(n)), has: names.includes("Broker") }));`,
    );
    const { stdout } = await project.node(file);
    expect(JSON.parse(stdout)).toEqual({ differing: [], missing: [], has: true });
  });

  test("trap-H8: works in a bundle that leaves the package out", async () => {
    const project = greeterProject();
    const host = project.write("host.mjs", blockOf("js"));
    const outfile = join(project.dir, "out/host.mjs");
    await build({
      entryPoints: [host],
      outfile,
      bundle: true,
      platform: "node",
      format: "esm",
      external: ["sluice"],
    });
    expect((await project.node(outfile)).stdout).toBe(blockOf("text"));
  });

  test("trap-H8: is refused in a bundle that holds its code, and named the setting", async () => {
    const project = greeterProject();
    const host = project.write("host.mjs", blockOf("js"));
    const outfile = join(project.dir, "out/host.mjs");
    await build({
      entryPoints: [host],
      outfile,
      bundle: true,
      platform: "node",
      format: "esm",
      logLevel: "silent",
      // Parts of the library that are native, or that load files of their own.
      external: ["libsql", "jiti", "@resvg/resvg-js"],
      banner: {
        js: `import { createRequire as requireOfHost } from "node:module"; const require = requireOfHost(import.meta.url);`,
      },
    });
    await expect(project.node(outfile)).rejects.toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining("(esbuild: --external:sluice)") as string,
    });
  });

  test("trap-H12: has tests with a broker in each file that end without a warning, under node --test", async () => {
    const project = greeterProject();
    for (const name of ["one", "two"]) {
      project.write(
        `${name}.test.mjs`,
        `import { test } from "node:test";
         import { Broker, composeUnits } from "sluice";
         test("a broker", async () => {
           const units = await composeUnits({ searchPath: ["./modprobe"] });
           const broker = await Broker.start({ units, roots: ["greeter"], modulePath: "./modules" });
           const handle = await broker.connect();
           await handle.rpc("greeter.hello", { name: "Ada" });
           await broker.shutdown();
         });`,
      );
    }
    const { stdout, stderr } = await project.node(
      "--test",
      "--test-reporter=tap",
      "one.test.mjs",
      "two.test.mjs",
    );
    expect(stderr).toBe("");
    expect(stdout).toContain("# pass 2");
    expect(stdout).not.toMatch(/warning|open handle|asynchronous activity/i);
  });

  test("trap-H12: has tests with a broker in each file that end without a warning, under vitest", async () => {
    const project = greeterProject();
    for (const name of ["one", "two"]) {
      project.write(
        `${name}.test.mjs`,
        `import { expect, test } from "vitest";
         import { Broker, composeUnits } from "sluice";
         test("a broker", async () => {
           const units = await composeUnits({ searchPath: ["./modprobe"] });
           const broker = await Broker.start({ units, roots: ["greeter"], modulePath: "./modules" });
           const handle = await broker.connect();
           expect(await handle.rpc("greeter.hello", { name: "Ada" })).toEqual({ text: "hello Ada" });
           await broker.shutdown();
         });`,
      );
    }
    const vitest = join(import.meta.dirname, "../../node_modules/vitest/vitest.mjs");
    project.write("vitest.config.mjs", `export default { test: { teardownTimeout: 5000 } };`);
    project.link("vitest");
    const { stdout, stderr } = await project.node(vitest, "run", "--root", project.dir, "--reporter=verbose");
    expect(stderr).toBe("");
    expect(stdout).toMatch(/2 passed/);
    expect(stdout).not.toMatch(/close timed out|hanging|warning/i);
  });

  test.each([
    ["with skipLibCheck", "true"],
    ["without skipLibCheck", "false"],
  ])(
    "compiles strictly %s, from the packed package and without types of its own",
    async (_, skips) => {
      const project = await Project.packed();
      project.write("host.ts", TYPED_HOST);
      const argv = [
        "--noEmit",
        "--strict",
        "--skipLibCheck",
        skips,
        "--module",
        "nodenext",
        "--target",
        "es2023",
      ];
      const printed = await project.node(TSC, ...argv, "host.ts").then(
        ({ stdout }) => stdout,
        // The compiler prints its complaints to standard output.
        (error: unknown) => `${String(error)} ${String(Reflect.get(Object(error) as object, "stdout"))}`,
      );
      expect(printed).toBe("");
    },
    150_000,
  );
});
