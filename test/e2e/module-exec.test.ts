import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";

const SHOP = `
  export const moduleName = "shop";
  export async function modMain(h, ...args) {
    if (args.includes("--broken")) throw new Error("the shop has no roof");
    h.handle("args", () => args);
    h.handle("stock", async () => ({ apples: await h.rpc("store.count", "apples") }));
    h.handle("name", () => ({ name: h.name }));
    await h.run();
  }`;

const BARE = ["-S", "broker.rc1_path=", "-S", "broker.rc3_path="];

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
  box.write("shop.mjs", SHOP);
});
afterEach(() => {
  expect(box.leftovers()).toEqual([]);
  expect(box.survivors()).toEqual([]);
  box.remove();
});

for (const how of [[], ["--exec"]]) {
  test(`module-exec ${how.join(" ")} answers each line of its input, and ends with it`, async () => {
    const input = 'args\nname\n\nping {"n":1}\n';
    const { status, stdout } = await box.run(["module-exec", ...how, "./shop.mjs", "a", "-b"], { input });
    expect(stdout).toBe('["a","-b"]\n{"name":"shop"}\n{"n":1}\n');
    expect(status).toBe(0);
  });
}

test("module-exec goes on after a request that fails, and exits 1", async () => {
  const { status, stdout, stderr } = await box.run(["module-exec", "-n", "kiosk", "./shop.mjs"], {
    input: "nothing\nname\n",
  });
  expect(stderr).toMatch(/^sluice-module-exec: nothing: /m);
  expect(stdout).toBe('{"name":"kiosk"}\n');
  expect(status).toBe(1);
});

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const)("module-exec ended by %s shuts the module down and leaves nothing", async (signal, status) => {
  box.write("up.mjs", 'export async function modMain(h) { console.log("up"); await h.run(); }');
  // The input does not end; the module itself says when it is there.
  const script = `mkfifo input; exec 9<>input; sluice module-exec ./up.mjs < input 2> said & pid=$!
    until grep -q up said; do :; done; kill -${signal} $pid; wait $pid; echo $?`;
  expect((await box.shell(script)).stdout).toBe(`${status}\n`);
});

describe("fault-F9: a module in the foreground of an instance", () => {
  const start = (script: string) => box.run(["start", ...BARE, script]);
  const untilItRuns = 'until grep -q "shop runs" said; do kill -0 $pid || break; done';

  test.each([
    ["a thread", "./shop.mjs a -b"],
    ["a process", "--exec ./shop.mjs a -b"],
  ])("in %s serves its name, asks others, and is shut down by Ctrl-C", async (_how, args) => {
    box.write("store.mjs", 'export async function modMain(h) { h.handle("count", () => 7); await h.run(); }');
    const { stdout, stderr } = await start(
      `sluice module load ./store.mjs
       sluice module-exec ${args} 2> said & pid=$!
       ${untilItRuns}
       sluice rpc shop.args; sluice rpc shop.stock; sluice rpc shop.name; sluice ping -c 1 shop | sed 's/time=.*//'
       sluice module list | grep -c shop
       kill -INT $pid; wait $pid; echo status $?
       sluice rpc shop.args; sluice module remove store`,
    );
    expect(stdout).toBe('["a","-b"]\n{"apples":7}\n{"name":"shop"}\nshop.ping seq=0 \n0\nstatus 130\n');
    expect(stderr).toContain("No service matching shop.args");
  });

  test("that is of Python does the same, and a name that is taken is refused", async () => {
    box.write("shop.py", "def mod_main(h, *args):\n    h.reactor_run()\n");
    const { stdout, stderr } = await start(
      `sluice module-exec ./shop.py x 2> said & pid=$!
       ${untilItRuns}
       sluice ping -c 1 shop | sed 's/time=.*//'
       sluice module-exec ./shop.mjs; echo status $?
       sluice rpc shop.shutdown; wait $pid; echo status $?`,
    );
    expect(stdout).toContain("shop.ping seq=0 \nstatus 1\n");
    expect(stdout).toMatch(/status 0\n$/);
    expect(stderr).toMatch(/^sluice-module-exec: client-.* already provides service shop/m);
  });

  test("that fails says so in its own words, and --alone leaves the instance aside", async () => {
    const { stdout, stderr } = await start(
      `sluice module-exec ./shop.mjs --broken; echo status $?
       echo name | sluice module-exec --alone ./shop.mjs`,
    );
    expect(stdout).toBe('status 1\n{"name":"shop"}\n');
    expect(stderr).toContain("sluice-module-exec: shop.mjs:4:42: the shop has no roof\n");
  });

  test("ends in order when the instance ends", async () => {
    box.write(
      "tidy.mjs",
      'import { writeFileSync } from "node:fs";\nexport async function modMain(h) { await h.run(); writeFileSync("tidied", "yes"); }',
    );
    const { stdout } = await box.shell(
      `mkfifo gate; sluice start ${BARE.join(" ")} 'echo $SLUICE_URI > uri.part; mv uri.part uri; read x < gate' & until test -e uri; do :; done
       sluice module-exec --uri "$(cat uri)" ./tidy.mjs 2> said & pid=$!
       until grep -q "tidy runs" said; do kill -0 $pid || break; done
       echo > gate; wait $pid; echo status $?; cat tidied; wait`,
    );
    expect(stdout).toBe("status 0\nyes");
  });
});

test("module-exec of a module that fails says so in its own words", async () => {
  const { status, stderr } = await box.run(["module-exec", "./shop.mjs", "--broken"]);
  expect(stderr).toContain("sluice-module-exec: shop.mjs:4:42: the shop has no roof\n");
  expect(status).toBe(1);
});

test("module-exec runs Python too", async () => {
  box.write("shop.py", 'def mod_main(h, *args):\n    h.log("err", "open")\n    h.reactor_run()\n');
  const { status, stdout } = await box.run(["module-exec", "./shop.py"], { input: "ping 7\n" });
  expect(stdout).toBe("7\n");
  expect(status).toBe(0);
});

test("runModule gives a handle that can stand in for what the module asks", async () => {
  box.write(
    "own-test.mjs",
    `import { runModule } from ${JSON.stringify(new URL("../../dist/index.js", import.meta.url).href)};
     const shop = await runModule("./shop.mjs");
     shop.handle.handle("count", () => 5);
     await shop.handle.registerService("store");
     console.log(JSON.stringify(await shop.handle.rpc(shop.name + ".stock")));
     await shop.close();`,
  );
  const { status, stdout, stderr } = await box.shell("node own-test.mjs");
  expect(stderr).toBe("");
  expect(stdout).toBe('{"apples":5}\n');
  expect(status).toBe(0);
});

test("module info tells what a file is without starting it", async () => {
  const source =
    'console.log("started");\nexport const moduleName = "loud";\nexport const modMain = (h) => h.run();\n';
  box.write("loud.mjs", source);
  const { status, stdout } = await box.run(["module", "info", "--json", "./loud.mjs"]);
  expect(JSON.parse(stdout)).toMatchObject({
    ...{ type: "thread", name: "loud", services: ["loud"], size: source.length, version: null },
    digest: expect.stringMatching(/^sha256-[0-9a-f]{64}$/) as string,
  });
  expect(status).toBe(0);
  const inProcess = await box.run(["module", "info", "--exec", "./loud.mjs"]);
  expect(inProcess.stdout).toMatch(/^type +process$/m);
  const missing = await box.run(["module", "info", "./none.mjs"]);
  expect(missing.stderr).toBe("sluice-module: ./none.mjs: No such file or directory\n");
  expect(missing.status).toBe(1);
});

test("fault-G13: module info has the description of the unit", async () => {
  const shipped = await box.run(["module", "info", "heartbeat"]);
  expect(shipped.stdout).toMatch(/^description publishes heartbeat.pulse at a steady interval$/m);
  box.write("site/modprobe.d/loud.toml", '[[modules]]\nname = "loud"\ndescription = "says it"\n');
  box.write("loud.mjs", "export const modMain = (h) => h.run();\n");
  const env = { FLUX_MODPROBE_PATH_APPEND: join(box.dir, "site") };
  const own = await box.run(["module", "info", "--json", "./loud.mjs"], { env });
  expect(JSON.parse(own.stdout)).toMatchObject({ name: "loud", description: "says it" });
});

test("module info knows the loaders of the configuration of an instance", async () => {
  box.write("word.zzz", "");
  box.write("loader.toml", '[loaders.zzz]\nsuffixes = [".zzz"]\ncommand = ["true"]\n');
  const bare = ["-S", "broker.rc1_path=", "-S", "broker.rc3_path="];
  const { stdout } = await box.run(["start", ...bare, "-c", "loader.toml", "sluice module info ./word.zzz"]);
  expect(stdout).toMatch(/^type +zzz$/m);
});
