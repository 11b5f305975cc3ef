/** Python: a plan with many tasks, the cost of having an interpreter, and requests from a client. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { median, outputOf, secondsOf } from "../measure.mjs";

const SLUICE = [process.execPath, fileURLToPath(new URL("../../dist/cli/main.cjs", import.meta.url))];
const PYTHON_PACKAGES = fileURLToPath(new URL("../../python", import.meta.url));

const TASKS = 200;
const SLEEP_SECONDS = 0.05;
const SLEEPING = `
import time
from sluice import task
for number in range(${TASKS}):
    @task(f"sleep-{number}")
    def sleep(context): time.sleep(${SLEEP_SECONDS})
`;
const NOTHING_PYTHON = `from sluice import task\n@task("a")\ndef a(context): pass\n`;
const NOTHING_TOML = `[[tasks]]\nname = "a"\ncommand = ["true"]\n`;

const REQUESTS = 5000;
const CLIENT = `
import time, sluice
with sluice.Sluice() as h:
    for n in range(500): h.rpc("kvs.ping", {"n": n}).get()
    started = time.perf_counter()
    for n in range(${REQUESTS}): h.rpc("kvs.ping", {"n": n}).get()
    print(${REQUESTS} / (time.perf_counter() - started))
`;

function withFiles(files, run) {
  const dir = mkdtempSync(join(tmpdir(), "sluice-bench-"));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
    return run((name) => join(dir, name));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function planned(path) {
  return [...SLUICE, "modprobe", "run", path];
}

/** Medians of several commands that take turns, so that a noisy moment of the machine meets all of them. */
function mediansOf(commands, rounds) {
  const times = commands.map(() => []);
  for (let i = 0; i < rounds; i++) commands.forEach((argv, at) => times[at].push(secondsOf(argv)));
  return times.map(median);
}

const ms = (value) => `${(value * 1000).toFixed(0)} ms`;

export const PYTHON = [
  {
    name: "python-tasks",
    title: `${TASKS} Python tasks that sleep ${SLEEP_SECONDS * 1000} ms, with the default jobs`,
    measure: () =>
      withFiles({ "rc.py": SLEEPING }, (path) => {
        const bound = (TASKS * SLEEP_SECONDS) / Math.min(32, availableParallelism() + 4);
        const [seconds] = mediansOf([planned(path("rc.py"))], 3);
        const detail = `${ms(seconds)}, bound ${ms(bound)}`;
        return [
          { what: "whole process", measured: seconds / bound, goal: 1.2, unit: "× work ÷ jobs", detail },
        ];
      }),
  },
  {
    name: "python-start",
    title: "what a Python rc file adds to a plan, besides `python3 -c 0`",
    measure: () =>
      withFiles({ "rc.py": NOTHING_PYTHON, "rc.toml": NOTHING_TOML }, (path) => {
        const commands = [planned(path("rc.py")), planned(path("rc.toml")), ["python3", "-c", "0"]];
        const [withPython, without, bare] = mediansOf(commands, 9);
        const detail = `${ms(withPython)} with, ${ms(without)} without, python3 ${ms(bare)}`;
        return [
          { what: "added", measured: (withPython - without - bare) * 1000, goal: 80, unit: "ms", detail },
        ];
      }),
  },
  {
    name: "python-rpc",
    title: `${REQUESTS} sequential rpc().get() from Python to a module in a thread`,
    measure: () =>
      withFiles({ "client.py": CLIENT }, (path) => {
        const argv = [...SLUICE, "start", "python3", path("client.py")];
        const perSecond = Number(outputOf(argv, { PYTHONPATH: PYTHON_PACKAGES }).trim());
        const detail = `${perSecond.toFixed(0)} requests a second`;
        return [{ what: "goal ÷ measured", measured: 4000 / perSecond, goal: 1, unit: "", detail }];
      }),
  },
];
