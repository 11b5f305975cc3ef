/** Colours of the command line: only on a terminal, and never with NO_COLOR. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Sandbox, SLUICE } from "../../helpers/sluice.js";
import { Terminal } from "../../helpers/terminal.js";

// eslint-disable-next-line no-control-regex -- what a terminal takes for colours
const COLOURS = /\u001b\[\d+m/g;

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
  box.write("modprobe.d/wrong.toml", 'kvs.requries = ["content"]\n');
});
afterEach(() => {
  box.remove();
});

const EXPLAIN = ["modprobe", "explain", "content-files"];
const VERIFY = ["modprobe", "verify"];

/** Tests have no colours otherwise. */
const NOTHING_SAID = { NO_COLOR: "", FORCE_COLOR: "", CI: "" };

/** All that a command prints. */
async function printed(args: readonly string[], env: Readonly<Record<string, string>>): Promise<string> {
  const { stdout, stderr } = await box.run(args, { env: { ...NOTHING_SAID, ...env } });
  return stdout + stderr;
}

const wrong = (): Record<string, string> => ({ FLUX_MODPROBE_PATH_APPEND: box.dir });

describe("without a terminal", () => {
  test.each([
    ["nothing else is said", {}],
    ["a program of CI has set CI", { CI: "true" }],
    ["FORCE_COLOR is 0", { FORCE_COLOR: "0" }],
    ["NO_COLOR is set, whatever FORCE_COLOR says", { NO_COLOR: "1", FORCE_COLOR: "1" }],
  ])("explain and verify have no colours if %s", async (_, env) => {
    expect(await printed(EXPLAIN, env)).not.toMatch(COLOURS);
    const problems = await printed(VERIFY, { ...env, ...wrong() });
    expect(problems).toContain("UNIT_UNKNOWN_KEY");
    expect(problems).not.toMatch(COLOURS);
  });

  test("FORCE_COLOR gives both their colours, and their text stays the same", async () => {
    for (const [args, env] of [
      [EXPLAIN, {}],
      [VERIFY, wrong()],
    ] as const) {
      const coloured = await printed(args, { ...env, FORCE_COLOR: "1" });
      expect(coloured).toMatch(COLOURS);
      expect(coloured.replaceAll(COLOURS, "")).toBe(await printed(args, env));
    }
  });
});

describe("lines of the log, of a trace and of programs, without a terminal", () => {
  const PROGRAM = JSON.stringify({
    name: "p",
    path: "p",
    command: "echo hi; exec sleep 1000",
    ready: { log: "hi" },
  });
  const LOOK = `sluice rpc module.load '${PROGRAM}' > loaded
sluice dmesg -H | head -n 1; sluice logs
sluice module trace -H -c 1 p & trace=$!
while kill -0 $trace 2> gone; do sluice rpc p.status > status; done`;
  const START = ["start", "-S", "broker.rc1_path=", "-S", "broker.rc3_path=", LOOK];

  test.each([
    ["FORCE_COLOR asks for them", { FORCE_COLOR: "1" }, 3],
    ["a program of CI has set CI", { CI: "true" }, 0],
    ["NO_COLOR is set", { NO_COLOR: "1", FORCE_COLOR: "1" }, 0],
  ])("have colours by the same rule as all else: %s", async (_, env, count) => {
    const { stdout } = await box.run(START, { env: { ...NOTHING_SAID, ...env }, cwd: box.dir });
    const lines = stdout.trimEnd().split("\n");
    expect(lines).toHaveLength(3);
    expect(lines.filter((line) => line.search(COLOURS) >= 0)).toHaveLength(count);
  });
});

describe("on a terminal", () => {
  /** What a terminal shows of a reason, with its colours. */
  async function coloursOn(env: Readonly<Record<string, string>>): Promise<string> {
    const script = `${process.execPath} ${SLUICE} modprobe explain content-files; echo the end; exec sleep 1000`;
    const argv = ["env", ...Object.entries(env).map((pair) => pair.join("=")), "bash", "-c", script];
    const terminal = new Terminal(argv, {
      env: box.environment(NOTHING_SAID),
      cwd: box.dir,
      columns: 120,
      rows: 40,
    });
    try {
      await terminal.waitFor(/the end/);
      return terminal.styled();
    } finally {
      terminal.close();
    }
  }

  test("explain has colours", async () => {
    expect(await coloursOn({})).toMatch(COLOURS);
  });

  test.each([{ NO_COLOR: "1" }, { TERM: "dumb" }])("explain has none with %j", async (env) => {
    expect(await coloursOn(env)).not.toMatch(COLOURS);
  });
});
