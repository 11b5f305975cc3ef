/** The live view in a real terminal. Units wait for a file each, so that nothing depends on how fast the machine is. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";
import { Terminal } from "../helpers/terminal.js";

let sandbox: Sandbox;
let terminal: Terminal | undefined;
beforeEach(() => {
  sandbox = new Sandbox();
});
afterEach(() => {
  terminal?.close();
  terminal = undefined;
  sandbox.remove();
});

async function open(columns = 70, rows = 14): Promise<Terminal> {
  const shell = ["bash", "-c", "PS1='$ ' exec bash --norc --noprofile"];
  const env = sandbox.environment({ LC_ALL: "C.UTF-8" });
  terminal = new Terminal(shell, { env, cwd: sandbox.dir, columns, rows });
  await terminal.waitFor(/^\$/);
  return terminal;
}

/** A task that ends when `gate(name)` is called, with the status that the file then holds. */
function gated(name: string, after: readonly string[] = []): string {
  const command = `until [ -s gate-${name} ]; do sleep 0.02; done; exit "$(cat gate-${name})"`;
  return `[[tasks]]\nname = "${name}"\ncommand = '${command}'\nafter = ${JSON.stringify(after)}\n`;
}

function gate(name: string, status = 0): void {
  sandbox.write(`gate-${name}`, String(status));
}

test("each running unit has a line with its time below what is kept, and a line of counts comes at the end", async () => {
  sandbox.write(
    "plan.toml",
    ["one", "two", "three"].map((name) => gated(name)).join("") + gated("last", ["one"]),
  );
  const { type, waitFor, screen, isCursorShown } = bound(await open());
  type("clear; sluice modprobe run --keep-going plan.toml; echo status $?");
  const running = await waitFor((text) => /^0\/4 units, 3 running, \d+\.\d s$/m.test(text));
  expect(running.split("\n")).toEqual([
    expect.stringMatching(/^ {2}run {4}one {4}\d+\.\d s$/),
    expect.stringMatching(/^ {2}run {4}two {4}\d+\.\d s$/),
    expect.stringMatching(/^ {2}run {4}three {2}\d+\.\d s$/),
    expect.stringMatching(/^0\/4 units, 3 running, \d+\.\d s$/),
  ]);
  expect(isCursorShown()).toBe(false);
  gate("two", 3);
  await waitFor((text) => /^1\/4 units, 2 running, 1 failed, /m.test(text));
  gate("one");
  const kept = await waitFor(
    (text) => /^2\/4 units, 2 running, 1 failed, /m.test(text) && text.includes("last"),
  );
  expect(kept.split("\n")[0]).toBe("sluice-modprobe: two: exited with exit status 3");
  expect(kept).not.toMatch(/^ {2}run {4}(one|two)/m);
  gate("three");
  gate("last");
  await waitFor((text) => /^status 1\n\$$/m.test(text));
  expect(screen().split("\n")).toEqual([
    "sluice-modprobe: two: exited with exit status 3",
    expect.stringMatching(/^4 units in \d+\.\d s, 1 failed$/),
    "status 1",
    "$",
  ]);
  expect(isCursorShown()).toBe(true);
});

test("a long plan stays within the height of the terminal, and says how many more run", async () => {
  const names = Array.from({ length: 20 }, (_, index) => `unit-${index}`);
  sandbox.write("plan.toml", names.map((name) => gated(name)).join(""));
  const { type, waitFor, history } = bound(await open(60, 8));
  type("clear; sluice modprobe run -j 20 plan.toml");
  const running = await waitFor((text) => /^0\/20 units, 20 running/m.test(text));
  const lines = running.split("\n");
  expect(lines).toHaveLength(7);
  expect(lines.at(-2)).toBe("  … and 15 more");
  for (const name of names) gate(name);
  await waitFor((text) => /^20 units in .*\n\$$/m.test(text));
  expect(
    history()
      .split("\n")
      .filter((line) => /unit-|running/.test(line)),
  ).toEqual([]);
});

test("what tasks print goes above the view, whole", async () => {
  sandbox.write(
    "plan.toml",
    `[[tasks]]\nname = "chatty"\ncommand = "seq -f 'line %g' 1 5"\nafter = ["first"]\n${gated("first")}${gated("other")}`,
  );
  const { type, waitFor, screen } = bound(await open());
  type("clear; sluice modprobe run plan.toml");
  await waitFor((text) => /^0\/3 units, 2 running/m.test(text));
  gate("first");
  const lines = await waitFor((text) => /^2\/3 units, 1 running/m.test(text));
  expect(lines.split("\n").slice(0, 5)).toEqual([1, 2, 3, 4, 5].map((n) => `line ${n}`));
  gate("other");
  await waitFor((text) => /^3 units in .*\n\$$/m.test(text));
  expect(screen().split("\n")).toHaveLength(7);
});

test("Ctrl-C takes the view away and gives the cursor back", async () => {
  sandbox.write("plan.toml", gated("endless") + gated("after", ["endless"]));
  const { type, waitFor, press, isCursorShown } = bound(await open());
  type("clear; sluice modprobe run plan.toml; echo status $?");
  await waitFor((text) => /^0\/2 units, 1 running/m.test(text));
  press("C-c");
  await waitFor((text) => text.includes("interrupted: starting no more units"));
  press("C-c");
  const end = await waitFor((text) => /^status 130\n\$$/m.test(text));
  expect(end.replaceAll("^C", "").split("\n")).toEqual([
    "interrupted: starting no more units",
    "interrupted: cancelling the running units",
    "sluice-modprobe: endless: cancelled",
    "sluice-modprobe: after: not started, because the run was interrupted",
    expect.stringMatching(/^2 units in \d+\.\d s, 1 cancelled, 1 not started, interrupted$/),
    "status 130",
    "$",
  ]);
  expect(isCursorShown()).toBe(true);
});

test("a terminal that becomes narrower while the view is there keeps nothing of it", async () => {
  const long = "a-name-that-takes-more-columns-than-there-are-later";
  sandbox.write("plan.toml", gated(long) + gated("short"));
  const { type, waitFor, resize, screen } = bound(await open(76, 12));
  type("clear; sluice modprobe run plan.toml");
  await waitFor((text) => text.includes(`${long}  `) && /^0\/2 units, 2 running/m.test(text));
  resize(36, 12);
  await waitFor((text) => text.split("\n").some((line) => line.includes("…") && /\d s$/.test(line)));
  gate(long);
  gate("short");
  await waitFor((text) => /^2 units in .*\n\$$/m.test(text));
  expect(
    screen()
      .split("\n")
      .filter((line) => /later|running|short/.test(line)),
  ).toEqual([]);
});

test("--quiet shows nothing but failures, and TERM=dumb gets no view", async () => {
  sandbox.write("plan.toml", '[[tasks]]\nname = "bad"\ncommand = "sleep 0.3; false"\n');
  const { type, waitFor } = bound(await open());
  type("clear; sluice modprobe run -q plan.toml; TERM=dumb sluice modprobe run plan.toml; echo done");
  const screen = await waitFor((text) => /^done\n\$$/m.test(text));
  expect(screen.split("\n")).toEqual([
    ...["sluice-modprobe: bad: exited with exit status 1", "sluice-modprobe: bad: exited with exit status 1"],
    ...["done", "$"],
  ]);
});

test("start shows its rc1, then leaves the terminal to the initial program", async () => {
  const { type, waitFor, screen, isCursorShown } = bound(await open());
  const gateFile = `${sandbox.dir}/gate-site-gate`;
  sandbox.write(
    "site/modprobe/rc1.d/site.toml",
    `[[tasks]]\nname = "site-gate"\ncommand = 'until [ -e ${gateFile} ]; do sleep 0.02; done; echo said >&2'\n`,
  );
  type(`clear; SLUICE_CONFDIR=${sandbox.dir}/site sluice start bash --norc --noprofile`);
  await waitFor(
    (text) => /^ {2}run {4}site-gate {2}\d/m.test(text) && /^\d+\/\d+ units, 1 running/m.test(text),
  );
  gate("site-gate");
  await waitFor((text) => /^\d+ units in \d+\.\d s$/m.test(text) && text.endsWith("$"));
  const lines = screen().split("\n");
  expect(lines).toEqual(["site-gate: said", expect.stringMatching(/^\d+ units in \d+\.\d s$/), "$"]);
  expect(isCursorShown()).toBe(true);
  type("sluice modprobe analyze --json | head -c 30; echo; exit 7");
  await waitFor((text) => /^exit\n\$$/m.test(text));
  type("echo status $?");
  const end = await waitFor((text) => /^status 7\n\$$/m.test(text));
  expect(end).toContain('{"run":{"command":"rc1","rank"');
  expect(end).not.toMatch(/running/);
  expect(isCursorShown()).toBe(true);
});

test("start tells of an rc1 that failed once, in order, and with --quiet without a view", async () => {
  const tasks =
    '[[tasks]]\nname = "bad"\ncommand = "sleep 0.3; exit 2"\n[[tasks]]\nname = "late"\nafter = ["bad"]\n';
  sandbox.write("lib/modprobe/rc1.toml", tasks);
  const { type, waitFor } = bound(await open(80));
  const env = `SLUICE_LIBEXECDIR=${sandbox.dir}/lib SLUICE_DATADIR=${sandbox.dir}/lib`;
  const told = [
    "sluice-modprobe: bad: exited with exit status 2",
    "sluice-modprobe: late: not started, because bad failed",
  ];
  type(`clear; ${env} sluice start true; echo status $?`);
  expect((await waitFor((text) => /^status 1\n\$$/m.test(text))).split("\n")).toEqual([
    ...told,
    expect.stringMatching(/^2 units in \d+\.\d s, 1 failed, 1 not started$/),
    "broker.err: rc1 failed with status 1",
    "sluice-broker: rc1 failed: bad: exited with exit status 2",
    ...["status 1", "$"],
  ]);
  type(`clear; ${env} sluice start --quiet true; echo status $? again`);
  expect((await waitFor((text) => /^status 1 again\n\$$/m.test(text))).split("\n")).toEqual([
    ...told,
    "broker.err: rc1 failed with status 1",
    "sluice-broker: rc1 failed: bad: exited with exit status 2",
    ...["status 1 again", "$"],
  ]);
});

test("start --detach shows the view too, and with --quiet only what runs now", async () => {
  sandbox.write("stack.toml", '[[tasks]]\nname = "once"\ncommand = "true"\n');
  const { type, waitFor } = bound(await open(100));
  const lines = [
    "SLUICE_URI=local://DIR/local-0",
    "sluice-start: stack runs (pid N); 'sluice stop' ends the instance",
    "$",
  ];
  for (const [flag, told] of [
    ["", ["1 unit in N s", ...lines]],
    [" --quiet", lines],
  ] as const) {
    type(`clear; sluice start -f stack.toml --detach${flag} | sed 's#//.*/#//DIR/#'; echo end`);
    const shown = await waitFor((text) => /^end\n\$$/m.test(text));
    expect(
      shown
        .replace("end\n", "")
        .replace(/pid \d+/, "pid N")
        .replace(/\d+\.\d s/, "N s")
        .split("\n")
        .sort(),
    ).toEqual([...told].sort());
    type("clear; sluice stop; echo stopped $?");
    await waitFor((text) => /^stopped 0\n\$$/m.test(text));
  }
});

test("start ends when its broker is killed while rc1 is shown, and gives the cursor back", async () => {
  sandbox.write("lib/modprobe/rc1.toml", gated("endless"));
  const { type, waitFor, isCursorShown } = bound(await open());
  const env = `SLUICE_LIBEXECDIR=${sandbox.dir}/lib SLUICE_DATADIR=${sandbox.dir}/lib`;
  type(`clear; ${env} sluice start true; echo status $?`);
  await waitFor((text) => /^0\/1 unit, 1 running/m.test(text));
  process.kill(sandbox.processNamed("broker"), "SIGKILL");
  const end = await waitFor((text) => /^status 1\n\$$/m.test(text));
  expect(end.split("\n").slice(-3)).toEqual([
    "sluice-start: broker was killed by SIGKILL",
    ...["status 1", "$"],
  ]);
  // What it had begun is told to end.
  expect(end).toMatch(/^interrupted: starting no more units$/m);
  expect(isCursorShown()).toBe(true);
});

/** Methods that can be taken out of their object; of the screen, without blank lines at its end. */
function bound(of: Terminal) {
  return {
    type: (line: string) => {
      of.type(line);
      of.press("Enter");
    },
    press: (key: string) => of.press(key),
    resize: (columns: number, rows: number) => of.resize(columns, rows),
    screen: () => of.screen().trimEnd(),
    history: () => of.scrollback().trimEnd(),
    isCursorShown: () => of.isCursorShown(),
    waitFor: async (isThere: (screen: string) => boolean) =>
      (await of.waitFor((screen) => isThere(screen.trimEnd()))).trimEnd(),
  };
}
