import { chmodSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  box.remove();
});

function expectNothingLeft(): void {
  expect(box.leftovers()).toEqual([]);
  expect(box.survivors()).toEqual([]);
}

/** `npx sluice` finds the checkout's own command only from within it. */
const CHECKOUT = resolve(import.meta.dirname, "../..");

const TOUR =
  "npx sluice module list && npx sluice ping -c 3 -i 0 kvs && npx sluice kvs put a=1 && npx sluice kvs get a";

describe("an instance from the shipped units", () => {
  test("boots, answers, keeps a value, goes down, and leaves nothing behind", async () => {
    const { status, stdout } = await box.run(["start", "sh", "-c", TOUR], { cwd: CHECKOUT });
    expect(status).toBe(0);
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]).toBe("Module                    Idle  S Sendq Recvq Service");
    expect(lines.find((line) => line.startsWith("content-sqlite "))).toMatch(
      / {2}R {5}\d {5}\d content-backing$/,
    );
    expect(lines.filter((line) => /^kvs\.ping seq=\d time=[\d.]+ ms$/.test(line))).toHaveLength(3);
    expect(lines.at(-1)).toBe("1");
    expectNothingLeft();
  });

  test("has content-files serve content-backing when content-sqlite is disabled, with the same results", async () => {
    const { status, stdout } = await box.run(["start", "sh", "-c", TOUR], {
      cwd: CHECKOUT,
      env: { FLUX_MODPROBE_DISABLE: "content-sqlite" },
    });
    expect(status).toBe(0);
    expect(stdout).toMatch(/^content-files .* content-backing$/m);
    expect(stdout).not.toMatch(/^content-sqlite /m);
    expect(stdout.trimEnd().split("\n").at(-1)).toBe("1");
    expectNothingLeft();
  });

  test("fault-G13: passes on the status of the initial program, and 127 for one that is not there", async () => {
    expect((await box.run(["start", "exit 7"])).status).toBe(7);
    expect((await box.run(["start", "sh", "-c", "exit 7"])).status).toBe(7);
    expect((await box.run(["start", "sh -c 'exit 9'"])).status).toBe(9);
    const missing = await box.run(["start", "no-such-program"]);
    expect(missing.status).toBe(127);
    expect(missing.stderr).toContain("sluice-start: no-such-program: command not found");
    chmodSync(box.write("script", "#!/nowhere/sh\n"), 0o755);
    const script = await box.run(["start", "./script"]);
    expect([script.status, script.stderr]).toEqual([
      127,
      expect.stringContaining("sluice-start: ./script: its interpreter /nowhere/sh is missing"),
    ]);
    expectNothingLeft();
  });
});

test("a disabled task of rc1 is no unknown name on the way down, nor in a removal", async () => {
  const env = { FLUX_MODPROBE_DISABLE: "post-start-event" };
  const { status, stderr } = await box.run(["start", "sluice modprobe remove cron"], { env });
  expect(stderr).toBe("");
  expect(status).toBe(0);
  const mistyped = await box.run(["modprobe", "rc1", "--dry-run"], {
    env: { FLUX_MODPROBE_DISABLE: "post-start-evnt" },
  });
  expect(mistyped.stderr).toMatch(/^sluice-modprobe: no such module or task 'post-start-evnt'/);
  expect(mistyped.status).toBe(1);
  expectNothingLeft();
});

describe("state", () => {
  for (const disable of ["", "content-sqlite"]) {
    const backing = disable === "" ? "content-sqlite" : "content-files";
    test(`survives a stop and a start on the same statedir with ${backing}`, async () => {
      const statedir = join(box.dir, "state");
      const env = { FLUX_MODPROBE_DISABLE: disable };
      const start = ["start", "-S", `statedir=${statedir}`];
      expect((await box.run([...start, "sluice kvs put a.b='\"kept\"' c=3"], { env })).status).toBe(0);
      const { status, stdout, stderr } = await box.run([...start, "sluice kvs get a.b c"], { env });
      expect(status).toBe(0);
      expect(stdout).toBe('"kept"\n3\n');
      expect(stderr).not.toContain("not clean");
      expectNothingLeft();
    });
  }
});
