import { existsSync, readFileSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import { requestError, SluiceError } from "../../src/errors/index.js";
import type { Handle } from "../../src/messages/index.js";
import {
  type OutputLine,
  InstanceStepExecutor,
  type InstanceStepExecutorOptions,
} from "../../src/rc/index.js";
import { compose, type ModuleUnit, parseFragment, type TaskUnit, type Unit } from "../../src/units/index.js";
import { type Answer, answeredHandle, type Asked } from "./support/instance.js";
import { fixture, TestSession } from "./support/session.js";

const handles: Handle[] = [];

afterEach(async () => {
  for (const handle of handles.splice(0)) await handle.close();
});

const UNITS = `
[[modules]]
name = "kvs"
[[modules]]
name = "sched-simple"
provides = ["sched"]
module = "/lib/sched.js"
args = ["base"]
exec = true
loader = "lua"
thread = "group"
memory-limit = "1MiB"
on-failure = "restart"
[[modules]]
name = "web"
command = "serve"
[[tasks]]
name = "shell"
command = "echo out; echo err >&2; printf end; test \\"$0\\" = bash"
[[tasks]]
name = "argv"
command = ["sh", "-c", "exit 7"]
[[tasks]]
name = "missing"
command = ["/nowhere/to/be/found"]
[[tasks]]
name = "killed"
command = "kill -KILL $$"
[[tasks]]
name = "family"
command = "sleep 60 & echo $!; wait"
[[tasks]]
name = "daemon"
command = "sleep 60 & echo $!"
[[tasks]]
name = "environment"
command = "echo $WORD"
`;

const catalog = ((): ReadonlyMap<string, Unit> => {
  const fragment = parseFragment(UNITS, { file: "/units.toml" });
  const composed = fragment.ok ? compose([fragment.value]) : fragment;
  if (!composed.ok) throw new Error(composed.diagnostics.map(({ message }) => message).join("\n"));
  return composed.value.byName;
})();

function moduleUnit(name: string): ModuleUnit {
  const unit = catalog.get(name);
  if (unit?.kind !== "module") throw new Error(`no module ${name}`);
  return unit;
}

function taskUnit(name: string): TaskUnit {
  const unit = catalog.get(name);
  if (unit?.kind !== "task") throw new Error(`no task ${name}`);
  return unit;
}

interface Bench {
  readonly executor: InstanceStepExecutor;
  readonly asked: Asked;
  readonly lines: OutputLine[];
}

async function bench(answer: Answer, options: Partial<InstanceStepExecutorOptions> = {}): Promise<Bench> {
  const { handle, asked } = await answeredHandle(answer);
  handles.push(handle);
  const lines: OutputLine[] = [];
  const executor = new InstanceStepExecutor({ handle, onOutput: (line) => lines.push(line), ...options });
  return { executor, asked, lines };
}

const never = new AbortController().signal;

/** Never answers. */
const silence: Answer = () => new Promise(() => undefined);

/** Answers all but a topic's requests without `cancel`. */
const silentUnlessCancel: Answer = (topic, payload) => {
  const isCancel = typeof payload === "object" && payload !== null && "cancel" in payload;
  return topic === "module.remove" && isCancel ? null : silence(topic, payload);
};

describe("loading", () => {
  test("asks for the module with all that its unit says", async () => {
    const { executor, asked } = await bench(() => ({ name: "sched-simple", uuid: "u" }));
    await executor.execute({ action: "load", unit: moduleUnit("sched-simple"), explicit: true }, never);
    expect(asked).toEqual([
      [
        "module.load",
        {
          path: "/lib/sched.js",
          name: "sched-simple",
          args: ["base"],
          exec: true,
          thread: "group",
          onFailure: "restart",
          secret: false,
          explicit: true,
          loader: "lua",
          memoryLimitBytes: 1024 * 1024,
          provides: ["sched"],
        },
      ],
    ]);
  });

  test("fails with the module's own error", async () => {
    const { executor } = await bench(() => {
      throw requestError("EINVAL", "bad argument 'base'");
    });
    const loading = executor.execute({ action: "load", unit: moduleUnit("kvs"), explicit: false }, never);
    await expect(loading).rejects.toMatchObject({ code: "BROKER_REQUEST", message: "bad argument 'base'" });
  });

  test("that is given up takes the half-loaded module away and fails with the reason", async () => {
    const controller = new AbortController();
    const { executor, asked } = await bench((topic, payload) => {
      if (topic === "module.load") controller.abort(new SluiceError("RUN_TIMEOUT", "timed out after 1s"));
      return silentUnlessCancel(topic, payload);
    });
    const step = { action: "load", unit: moduleUnit("kvs"), explicit: false } as const;
    await expect(executor.execute(step, controller.signal)).rejects.toMatchObject({ code: "RUN_TIMEOUT" });
    expect(asked.at(-1)).toEqual(["module.remove", { name: "kvs", cancel: true }]);
  });

  test("needs an instance", async () => {
    const executor = new InstanceStepExecutor({ onOutput: () => undefined });
    const step = { action: "load", unit: moduleUnit("kvs"), explicit: false } as const;
    await expect(executor.execute(step, never)).rejects.toMatchObject({
      code: "BROKER_UNREACHABLE",
      unit: "kvs",
    });
  });
});

describe("removing", () => {
  const step = { action: "remove", unit: moduleUnit("kvs") } as const;

  test("is done when the module is gone already", async () => {
    const { executor, asked } = await bench(() => {
      throw requestError("ENOENT");
    });
    await executor.execute(step, never);
    expect(asked).toEqual([["module.remove", { name: "kvs" }]]);
  });

  test("fails with the broker's error", async () => {
    const { executor } = await bench(() => {
      throw requestError("EBUSY");
    });
    await expect(executor.execute(step, never)).rejects.toMatchObject({ code: "BROKER_REQUEST" });
  });

  test("that is given up is tried again with cancel, and fails with the reason", async () => {
    const controller = new AbortController();
    const { executor, asked } = await bench((topic, payload) => {
      controller.abort(new SluiceError("RUN_CANCELLED", "cancelled"));
      return silentUnlessCancel(topic, payload);
    });
    await expect(executor.execute(step, controller.signal)).rejects.toMatchObject({ code: "RUN_CANCELLED" });
    expect(asked.at(-1)).toEqual(["module.remove", { name: "kvs", cancel: true }]);
  });

  test("that takes longer than it may is cancelled, and is done then", async () => {
    const { executor, asked } = await bench(silentUnlessCancel, { cancelRemovalAfterMs: 5 });
    await executor.execute(step, never);
    expect(asked.at(-1)).toEqual(["module.remove", { name: "kvs", cancel: true }]);
  });
});

test("a hurried removal leaves a program the time of its stop", async () => {
  const controller = new AbortController();
  const { executor, asked } = await bench(silentUnlessCancel, { cancelRemovalAfterMs: 0 });
  const unhurried = executor.execute({ action: "remove", unit: moduleUnit("web") }, controller.signal);
  await executor.execute({ action: "remove", unit: moduleUnit("kvs") }, never);
  expect(asked.filter(([, payload]) => JSON.stringify(payload).includes("web"))).toEqual([
    ["module.remove", { name: "web" }],
  ]);
  controller.abort(new SluiceError("RUN_CANCELLED", "cancelled"));
  await expect(unhurried).rejects.toMatchObject({ code: "RUN_CANCELLED" });
});

/** The orphan may still be a zombie, which runs no more. */
function isRunning(pid: number): boolean {
  const stat = `/proc/${pid}/stat`;
  return existsSync(stat) && !/^\d+ \(.*\) Z/.test(readFileSync(stat, "utf8"));
}

describe("a declarative task", () => {
  test("runs in bash and prints whole lines under its name", async () => {
    const { executor, lines } = await bench(silence);
    await executor.execute({ action: "run", unit: taskUnit("shell") }, never);
    expect(lines.filter(({ stream }) => stream === "stdout").map(({ text }) => text)).toEqual(["out", "end"]);
    expect(lines.filter(({ stream }) => stream === "stderr")).toEqual([
      { unit: "shell", stream: "stderr", text: "err" },
    ]);
  });

  test.each([
    ["argv", "exited with exit status 7"],
    ["killed", "died by signal 9"],
    ["missing", "/nowhere/to/be/found: No such file or directory"],
  ])("says how it failed: %s", async (name, message) => {
    const { executor } = await bench(silence);
    await expect(executor.execute({ action: "run", unit: taskUnit(name) }, never)).rejects.toMatchObject({
      code: "RUN_FAILED",
      unit: name,
      message,
    });
  });

  test("that is given up is killed with all that it started", async () => {
    const controller = new AbortController();
    const reason = new SluiceError("RUN_TIMEOUT", "timed out after 1s");
    let pid = 0;
    const onOutput = ({ text }: OutputLine): void => {
      pid = Number(text);
      controller.abort(reason);
    };
    const { executor } = await bench(silence, { onOutput });
    const running = executor.execute({ action: "run", unit: taskUnit("family") }, controller.signal);
    await expect(running).rejects.toBe(reason);
    expect(isRunning(pid)).toBe(false);
  });

  test("does not wait for what it leaves in the background", async () => {
    const { executor, lines } = await bench(silence);
    await executor.execute({ action: "run", unit: taskUnit("daemon") }, never);
    expect(process.kill(Number(lines[0]?.text), "SIGKILL")).toBe(true);
  });

  test("has the environment that it was given, or that of the session", async () => {
    const PATH = process.env["PATH"];
    const given = await bench(silence, { env: { PATH, WORD: "given" } });
    await given.executor.execute({ action: "run", unit: taskUnit("environment") }, never);
    expect(given.lines.map(({ text }) => text)).toEqual(["given"]);
    const session = new TestSession({ env: { PATH, WORD: "shared" } });
    const shared = await bench(silence, { session });
    await shared.executor.execute({ action: "run", unit: taskUnit("environment") }, never);
    expect(shared.lines.map(({ text }) => text)).toEqual(["shared"]);
  });
});

describe("a task of an rc file", () => {
  const greets: TaskUnit = { ...taskUnit("shell"), name: "greets", command: undefined };

  test("runs in the session that read it", async () => {
    const session = new TestSession();
    await session.read(fixture("work.ts"));
    const { executor } = await bench(silence, { session });
    await executor.execute({ action: "run", unit: greets }, never);
    await executor.execute({ action: "run", unit: { ...greets, name: "reads-reply" } }, never);
    expect(session.stdoutOf("reads-reply")).toEqual(["undefined"]);
    await session.close();
  });

  test("with neither command nor code is a milestone: nothing is done", async () => {
    const { executor } = await bench(silence);
    await expect(executor.execute({ action: "run", unit: greets }, never)).resolves.toBeUndefined();
  });
});
