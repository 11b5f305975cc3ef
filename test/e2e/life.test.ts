import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
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

/** Puts a file below the site's `modprobe` directory. */
function siteFile(path: string, text: string): string {
  const file = join(box.dir, "conf/modprobe", path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

function expectNothingLeft(): void {
  expect(box.leftovers()).toEqual([]);
  expect(box.survivors()).toEqual([]);
}

describe("a failing rc1", () => {
  test("names what failed, runs no program, runs rc3 all the same, and exits 1", async () => {
    const ranRc3 = join(box.dir, "rc3-ran");
    siteFile("rc1.d/boom.toml", '[[tasks]]\nname = "boom"\ncommand = "exit 3"\nafter = ["kvs"]\n');
    siteFile(
      "rc3.d/mark.toml",
      `[[tasks]]\nname = "mark"\ncommand = "touch ${ranRc3}"\nrunlevels = ["rc3"]\n`,
    );
    const { status, stdout, stderr } = await box.run(["start", "echo program"], { env });
    expect(status).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/^sluice-modprobe: boom: .*3/m);
    expect(existsSync(ranRc3)).toBe(true);
    expect(stderr).not.toContain("was not properly shut down");
    expectNothingLeft();
  });

  test("of a module that throws in its entry has the module's own message", async () => {
    siteFile("modprobe.d/bad.toml", '[[modules]]\nname = "bad"\nmodule = "./bad.mjs"\nafter = ["kvs"]\n');
    siteFile(
      "modprobe.d/bad.mjs",
      'export function modMain() { throw new Error("no licence for this host"); }\n',
    );
    siteFile("rc1.d/bad.toml", 'load = ["bad"]\n');
    const { status, stderr } = await box.run(["start", "true"], { env });
    expect(status).toBe(1);
    expect(stderr).toMatch(/^sluice-modprobe: bad: bad\.mjs:1:35: no licence for this host$/m);
    expectNothingLeft();
  });

  test("that cannot even be planned says what is wrong with file, line and column", async () => {
    const file = siteFile("modprobe.d/typo.toml", '[[modules]]\nname = "x"\nrequries = ["kvs"]\n');
    const { status, stderr } = await box.run(["start", "true"], { env });
    expect(status).toBe(1);
    expect(stderr).toContain(`${file}:3:1: `);
    expect(stderr).toContain("[UNIT_UNKNOWN_KEY]");
    expect(stderr).toContain("did you mean 'requires'?");
    expectNothingLeft();
  });
});

test("a shutdown that outlasts its time-out names the time-out last, as the cause of what failed then", async () => {
  const { status, stderr } = await box.run(
    ["start", "-S", "broker.shutdown-timeout=500ms", 'trap "" TERM; sluice shutdown; sleep 1000'],
    { env },
  );
  expect(stderr.trimEnd().split("\n").at(-1)).toBe(
    "sluice-broker: the shutdown took longer than broker.shutdown-timeout (0.5 s); Sluice killed the remaining modules",
  );
  expect(status).toBe(137);
  expectNothingLeft();
});

describe("Ctrl-C", () => {
  /** So that only the interrupt can end it. */
  const NO_TIMEOUT = ["-S", "broker.shutdown-timeout=infinity"];

  /** What is printed, step by step, by a boot that nothing disturbs. */
  async function bootLines(): Promise<readonly string[]> {
    const { stderr } = await box.run(["start", "-v", "true"], { env });
    // What follows the first summary is the way down.
    const lines = (stderr.split(" done, ")[0] ?? "").split("\n");
    return lines.filter((line) => /^(load|run) [\w-]+$/.test(line));
  }

  test("at any step of the boot ends it without the shutdown time-out, with status 130 and everything unloaded", async () => {
    const lines = await bootLines();
    expect(lines.length).toBeGreaterThan(6);
    for (const line of lines) {
      const command = box.start(["start", ...NO_TIMEOUT, "-v", "sleep 1000"], { env });
      await command.waitFor(`${line}\n`);
      command.kill("SIGINT");
      const { status, stderr } = await command.finished;
      expect({ line, status }).toEqual({ line, status: 130 });
      expect(stderr).not.toContain("was not properly shut down");
      expectNothingLeft();
    }
  });

  test("fault-H: at any moment of the first instants ends it with 130, as a shell counts, and leaves nothing", async () => {
    for (let moment = 0; moment < 10; moment++) {
      const command = box.start(["start", "-S", "broker.rc1_path=", "-S", "broker.rc3_path=", "sleep 1000"], {
        env,
      });
      // The moment is what is tried here.
      setTimeout(() => command.kill("SIGINT"), moment * 30);
      const { status, signal } = await command.finished;
      expect({ moment, status: signal === "SIGINT" ? 130 : status }).toEqual({ moment, status: 130 });
    }
    expectNothingLeft();
  });

  test("before anything was said ends it too", async () => {
    const command = box.start(["start", "sleep 1000"], { env });
    await expect.poll(() => box.leftovers().length, { timeout: 20_000 }).toBe(1);
    command.kill("SIGINT");
    expect((await command.finished).status).toBe(130);
    expectNothingLeft();
  });

  for (const [what, body] of [
    ["never reports running", "await new Promise(() => setInterval(() => {}, 1000));"],
    ["loops for ever", "for (;;);"],
  ] as const) {
    test(`while a module ${what} ends without the shutdown time-out all the same`, async () => {
      siteFile("modprobe.d/stuck.toml", '[[modules]]\nname = "stuck"\nmodule = "./stuck.mjs"\n');
      siteFile("modprobe.d/stuck.mjs", `export async function modMain() { ${body} }\n`);
      siteFile("rc1.d/stuck.toml", 'load = ["stuck"]\n');
      const command = box.start(["start", ...NO_TIMEOUT, "-v", "true"], { env });
      await command.waitFor("load stuck\n");
      command.kill("SIGINT");
      const { status } = await command.finished;
      expect(status).toBe(130);
      expectNothingLeft();
    });
  }

  test("while the program runs reaches the program, and rc3 follows", async () => {
    const ranRc3 = join(box.dir, "rc3-ran");
    siteFile(
      "rc3.d/mark.toml",
      `[[tasks]]\nname = "mark"\ncommand = "touch ${ranRc3}"\nrunlevels = ["rc3"]\n`,
    );
    const command = box.start(
      ["start", "trap 'echo trapped; exit 5' INT; echo ready; while :; do sleep 0.01; done"],
      { env },
    );
    await command.waitFor("ready\n");
    command.kill("SIGINT");
    const { status, stdout } = await command.finished;
    expect(stdout).toBe("ready\ntrapped\n");
    expect(status).toBe(130);
    expect(existsSync(ranRc3)).toBe(true);
    expectNothingLeft();
  });

  test("gives a program the time of its stop, which is longer than that of a module", async () => {
    const at = (name: string): string => join(box.dir, name);
    box.write(
      "stubborn.mjs",
      `import { writeFileSync } from "node:fs";
       export async function modMain(h) {
         writeFileSync(${JSON.stringify(at("pid"))}, String(process.pid));
         await h.run();
         await new Promise(() => setInterval(() => {}, 1000));
       }`,
    );
    // The program ends only after the module, which Sluice cancels when its own, shorter time is over.
    const script = `trap 'while kill -0 $(cat ${at("pid")}); do sleep 0.02; done; touch ${at("left")}; exit 0' TERM
      touch ${at("up")}; while :; do sleep 0.02; done`;
    const file = box.write(
      "stack.toml",
      `[[modules]]\nname = "stubborn"\nmodule = "./stubborn.mjs"\nexec = true\n` +
        `[[modules]]\nname = "slow"\ncommand = ["bash", "-c", ${JSON.stringify(script)}]\nready = { file = "${at("up")}" }\n`,
    );
    const command = box.start(["start", "-f", file, "echo ready; exec sleep 1000"], { env });
    await command.waitFor("ready\n");
    command.kill("SIGTERM");
    expect((await command.finished).status).toBe(143);
    expect(existsSync(at("left"))).toBe(true);
    expectNothingLeft();
  });

  test("twice kills a module that will not go", async () => {
    siteFile("modprobe.d/stubborn.toml", '[[modules]]\nname = "stubborn"\nmodule = "./stubborn.mjs"\n');
    siteFile(
      "modprobe.d/stubborn.mjs",
      "export async function modMain(h) { h.setRunning(); await h.run(); await new Promise(() => setInterval(() => {}, 1000)); }\n",
    );
    siteFile("rc1.d/stubborn.toml", 'load = ["stubborn"]\n');
    const command = box.start(["start", "echo ready; exec sleep 1000"], { env });
    await command.waitFor("ready\n");
    command.kill("SIGTERM");
    command.kill("SIGTERM");
    expect((await command.finished).status).toBe(143);
    expectNothingLeft();
  });
});

test("what rc1 sets in the environment reaches the program and rc3", async () => {
  const seen = join(box.dir, "seen");
  siteFile(
    "rc1.d/env.mjs",
    'import { task } from "sluice/rc";\ntask("env", {}, async (c) => { await c.setenv({ SITE_COLOUR: "blue" }); });\n',
  );
  siteFile(
    "rc3.d/env.toml",
    `[[tasks]]\nname = "env3"\ncommand = "echo $SITE_COLOUR > ${seen}"\nrunlevels = ["rc3"]\n`,
  );
  const { status, stdout } = await box.run(["start", "echo $SITE_COLOUR"], { env });
  expect(status).toBe(0);
  expect(stdout).toBe("blue\n");
  expect(readFileSync(seen, "utf8")).toBe("blue\n");
});
