/** `sluice waits`: which client, module or unit waits for which. */
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
  // Serves one request at a time, and asks the next before it answers.
  box.write(
    "asker.mjs",
    `export async function modMain(h) {
       const [topic, rank] = h.args;
       let turn = Promise.resolve();
       h.handle("ask", () => (turn = turn.then(() => h.rpc(topic, {}, { rank: Number(rank) }))));
       await h.run();
     }`,
  );
  box.write(
    "deaf.mjs",
    `export async function modMain(h) {
       h.handle("ask", () => new Promise(() => {}));
       await h.run();
     }`,
  );
});
afterEach(() => {
  expect(box.leftovers()).toEqual([]);
  expect(box.survivors()).toEqual([]);
  box.remove();
});

const LIBRARY = resolve(import.meta.dirname, "../../dist/index.js");

/** No modules, so that a test does not wait for them. */
const BARE = ["-S", "broker.rc1_path=", "-S", "broker.rc3_path="];

async function run(size: number, script: string, env: Record<string, string> = {}): Promise<string[]> {
  const { stdout } = await box.run(["start", "-s", String(size), ...BARE, script], { env });
  return stdout.trimEnd().split("\n");
}

/** A module that never reports that it runs. */
const NEVER = "export async function modMain() { await new Promise(() => setInterval(() => {}, 1000)); }";

const LOAD = "sluice module load";
const UNTIL = (pattern: string, options = ""): string =>
  `until sluice waits ${options} | grep '${pattern}'; do :; done`;

test("a deadlock of three modules over two ranks is named with every edge", async () => {
  const [line] = await run(
    2,
    `${LOAD} --name=a ./asker.mjs b.ask 1; ${LOAD} -r 1 --name=b ./asker.mjs c.ask 0; ${LOAD} --name=c ./asker.mjs a.ask 0
     sluice rpc a.ask '{}' & ${UNTIL("^deadlock")}; kill $!; sluice module remove --cancel a`,
  );
  expect(line).toMatch(/^deadlock: (.*?) → .* → \1$/);
  for (const topic of ["a.ask", "b.ask", "c.ask"]) expect(line).toContain(`→ ${topic} `);
});

test("a chain ends at the module that is stopped", async () => {
  const [line = "", last] = await run(
    1,
    `${LOAD} --name=last --exec ./deaf.mjs; ${LOAD} --name=first ./asker.mjs last.ask 0
     sluice rpc first.ask '{}' & ${UNTIL("silent")}
     sluice waits --json | node -pe 'JSON.parse(fs.readFileSync(0)).edges.map((e) => e.from.name + ">" + e.to.name).join(" ")'
     kill $!; sluice module remove --cancel last`,
  );
  expect(line).toMatch(
    /^client-\d+ → first\.ask \d+\.\d s → last\.ask \d+\.\d s → last \(silent \d+\.\d s\)$/,
  );
  expect(last).toMatch(/client-\d+>first/);
  expect(last).toContain("first>last");
});

test("a load is waited for by name, with the units that come after it", async () => {
  box.write(
    "conf/modprobe/modprobe.d/units.toml",
    `[[modules]]
     name = "never"
     module = "./never.mjs"
     [[modules]]
     name = "later"
     module = "./never.mjs"
     after = ["never"]`,
  );
  box.write("conf/modprobe/modprobe.d/never.mjs", NEVER);
  const lines = await run(
    1,
    `sluice modprobe load never later & ${UNTIL("later")}; sluice waits never; kill $!; sluice module remove --cancel never`,
    { SLUICE_CONFDIR: join(box.dir, "conf") },
  );
  expect(lines.join("\n")).toMatch(/later → after \d+\.\d s → never \(starting \d+\.\d s\)/);
  expect(lines.join("\n")).toMatch(/client-\d+ → module\.load \d+\.\d s → never \(starting/);
});

test("10,000 open requests are counted together, and streams are left out", async () => {
  box.write(
    "flood.mjs",
    `import { connect } from ${JSON.stringify(LIBRARY)};
     const h = await connect();
     for (let i = 0; i < 10_000; i++) h.rpc("deaf.ask", {}).catch(() => {});
     for await (const _ of h.rpcStream("log.dmesg", { follow: true })) ;`,
  );
  const [line, json] = await run(
    1,
    `${LOAD} ./deaf.mjs; node flood.mjs & ${UNTIL("10000 open")}
     sluice waits --json | node -pe 'const g = JSON.parse(fs.readFileSync(0)); g.edges.length + " " + g.edges[0].count + " " + g.streams'
     kill $!`,
  );
  expect(line).toMatch(/^client-\d+ → deaf\.ask \d+\.\d s \(10000 open\) → deaf/);
  expect(json).toBe("1 10000 1");
});

test("an instance at rest waits for nothing, and a name that is unknown neither", async () => {
  expect(await run(1, "sluice waits; sluice waits nothing")).toEqual(["nothing waits", "nothing waits"]);
});
