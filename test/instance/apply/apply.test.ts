/** Apply over real programs (docs/design/programs.md §3). */
import fc from "fast-check";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { applyOnAll, recordedIn } from "../../../src/instance/apply/index.js";
import { fields } from "../../../src/messages/index.js";
import {
  catalogOfText,
  mixed,
  planOfCatalog,
  recordOf,
  type Stack,
  stacks,
  textOfStack,
} from "../../graph/apply/stacks.js";
import { isAlive } from "../../loaders/command/support.js";
import { liveStack, type LiveStack, writeBeside } from "./live-stack.js";

const program = (name: string, more = "", command = '["sleep", "1000"]'): string =>
  `[[modules]]\nname = "${name}"\ncommand = ${command}\non-failure = "log"\n${more}\n`;

/** Its load fails at once: it ends before it is ready. */
const broken = (name: string, more = ""): string =>
  program(name, `ready = { after = "60s" }\n${more}`, '"echo cannot start; exit 3"');

/** What of a record decides how a module runs. */
async function running({ handle }: LiveStack): Promise<Record<string, string>> {
  const modules = await recordedIn(handle);
  return Object.fromEntries(
    modules
      .filter(({ state }) => state === "up")
      .map(({ name, args, options }) => [
        name,
        JSON.stringify([args, options["command"], options["environment"]]),
      ]),
  );
}

function wanted(stack: Stack): Record<string, string> {
  const planned = planOfCatalog(catalogOfText(textOfStack(stack)), stack.roots);
  return Object.fromEntries(
    recordOf(planned).map(({ name, args, options }) => [
      name,
      JSON.stringify([args, options["command"], options["environment"]]),
    ]),
  );
}

describe("50 pairs of stacks, one after the other", () => {
  test("run as the new plan says; what stays keeps its process and answers throughout; a failure brings the old back", async () => {
    const stack = await liveStack();
    const samples = chain(51, 20261130);
    let isBack = 0;
    let kept = 0;
    for (const [round, next] of samples.entries()) {
      const before = { pids: await stack.pids(), runs: await running(stack) };
      const isBroken = round % 3 === 2;
      const text = isBroken ? `${textOfStack(next)}\n${broken("zz")}` : textOfStack(next);
      const roots = isBroken ? [...next.roots, "zz"] : next.roots;
      const { stays } = await stack.compare(text, { roots });
      const pinging = keepPinging(stack, stays);
      const { end } = await stack.apply(text, { roots });
      expect(await pinging.stop()).toEqual([]);
      const after = { pids: await stack.pids(), runs: await running(stack) };
      expect(end.outcome).toBe(isBroken ? "rolled-back" : "applied");
      expect(after.runs).toEqual(isBroken ? before.runs : wanted(next));
      // What is had back has a new run, which restarts what follows it.
      const followers = new Set(
        next.units.flatMap(({ name, follows }) => (follows.length > 0 ? [name] : [])),
      );
      for (const name of stays) {
        if (isBroken && followers.has(name)) continue;
        expect([round, name, after.pids[name]]).toEqual([round, name, before.pids[name]]);
      }
      kept += stays.length;
      isBack += isBroken ? 1 : 0;
    }
    expect(isBack).toBe(17);
    expect(kept).toBeGreaterThan(10);
  });

  test("run as the new plan says after the client was lost at any step, and apply is called again", async () => {
    const stack = await liveStack();
    const samples = chain(10, 42);
    for (const [round, next] of samples.entries()) {
      const client = await stack.broker.connect();
      const session = await stack.prepare(textOfStack(next), { roots: next.roots }, client);
      let steps = 0;
      const ended = session
        .run(() => {
          if (++steps > round % 5) void client.close();
        })
        .catch(() => undefined);
      if (round % 5 === 0) void client.close();
      await ended;
      // It waits for the one that lost its client, which the broker carries to its end.
      const { end } = await stack.apply(textOfStack(next), { roots: next.roots });
      expect(end.outcome).toBe("applied");
      expect(await running(stack)).toEqual(wanted(next));
      expect((await stack.compare(textOfStack(next), { roots: next.roots })).changes).toEqual([]);
    }
  });
});

/** Stacks, each of which has about half of the one before. */
function chain(length: number, seed: number): Stack[] {
  const steps = fc.sample(fc.tuple(stacks(), fc.array(fc.boolean(), { minLength: 6 })), {
    numRuns: length,
    seed,
  });
  let last: Stack = { units: [], roots: [] };
  return steps.map(([stack, same]) => (last = mixed(last, stack, same)));
}

/** Asks modules again and again until it is stopped; gives what went wrong. */
function keepPinging({ handle }: LiveStack, names: readonly string[]): { stop(): Promise<string[]> } {
  let isOver = false;
  const failures: string[] = [];
  const asking = Promise.all(
    names.map(async (name) => {
      do {
        await handle
          .rpc(`${name}.ping`)
          .catch((error: unknown) => failures.push(`${name}: ${String(error)}`));
      } while (!isOver);
    }),
  );
  return {
    stop: async () => {
      isOver = true;
      await asking;
      return failures;
    },
  };
}

describe("a step that fails", () => {
  test("trap-E4 has what was done undone: what was loaded goes, what was replaced or removed comes back as it was", async () => {
    const stack = await liveStack();
    const old = program("gone") + program("kept") + program("swapped", 'args = ["1"]');
    await stack.apply(old);
    const before = { pids: await stack.pids(), runs: await running(stack) };
    const { end } = await stack.apply(
      program("kept") +
        program("swapped", 'args = ["2"]') +
        program("new") +
        broken("bad", 'after = ["swapped", "new"]'),
    );
    expect(end).toMatchObject({
      outcome: "rolled-back",
      ranks: [{ failures: [{ unit: "bad" }], incomplete: [] }],
    });
    expect(await running(stack)).toEqual(before.runs);
    expect((await stack.pids())["kept"]).toBe(before.pids["kept"]);
    expect((await stack.compare(old)).changes).toEqual([]);
  });

  test("trap-E4 stays as it is with rollback off: incomplete, with the unit that is neither old nor new", async () => {
    const stack = await liveStack();
    await stack.apply(program("a") + program("b"));
    const { end } = await stack.apply(program("a", 'args = ["1"]') + broken("b", 'after = ["a"]'), {
      rollback: false,
    });
    expect(end.outcome).toBe("incomplete");
    expect(end.ranks[0]?.incomplete).toMatchObject([{ unit: "b" }]);
    expect(Object.keys(await running(stack))).toEqual(["a"]);
    expect((await running(stack))["a"]).toContain('["1"]');
  });

  test("trap-E13 is told with its last lines, and they stay readable", async () => {
    const stack = await liveStack();
    await stack.apply(program("a"));
    const bad = program(
      "a",
      'ready = { file = "no", deadline = "300ms", interval = "20ms" }',
      '"echo first; echo the reason; exec sleep 1000"',
    );
    const { end } = await stack.apply(bad);
    expect(end.outcome).toBe("rolled-back");
    expect(end.ranks[0]?.failures).toMatchObject([{ unit: "a", lines: ["first", "the reason"] }]);
    expect(end.ranks[0]?.failures[0]?.message).toMatch(/^not ready within /);
    const texts: string[] = [];
    for await (const line of stack.handle.rpcStream("log.output", { units: ["a"] })) {
      texts.push(fields(line, { text: "string" }).text);
    }
    expect(texts).toEqual(["first", "the reason"]);
  });

  test("trap-E12 counts within the settling time, whatever its policy says", async () => {
    const stack = await liveStack();
    await stack.apply(program("a"));
    const before = await running(stack);
    const dying = program("a", "", '"sleep 0.1; exit 4"').replace(
      'on-failure = "log"',
      'on-failure = "panic"',
    );
    const { end } = await stack.apply(dying, { settleMs: 60_000 });
    expect(end).toMatchObject({
      outcome: "rolled-back",
      ranks: [{ failures: [{ unit: "a", message: "exit status 4" }] }],
    });
    expect(await running(stack)).toEqual(before);
  });

  test("trap-E3 has the old one back with the environment that it had", async () => {
    const stack = await liveStack();
    writeBeside(stack, "vars", "COLOUR=old\n");
    const show = '"echo $COLOUR >> seen; exec sleep 1000"';
    const keys = 'environment-file = ["vars"]\nready = { command = "test -s seen", interval = "10ms" }';
    await stack.apply(program("a", keys, show));
    writeBeside(stack, "vars", "COLOUR=new\n");
    const { plan, end } = await stack.apply(program("a", keys, show) + broken("bad", 'after = ["a"]'));
    expect(plan.changes.map(({ action, causes }) => [action, causes[0]?.kind])).toEqual([
      ["load", "new"],
      ["reload", "variables"],
    ]);
    expect(end.outcome).toBe("rolled-back");
    await stack.handle.rpc("module.remove", { name: "a" });
    expect(readFileSync(join(stack.dir, "seen"), "utf8")).toBe("old\nnew\nold\n");
  });

  test("trap-E10 need not work again if it had failed before", async () => {
    const stack = await liveStack();
    await stack.apply(program("a", "", '"exit 1"'));
    await stack.logged("a module runtime failure");
    const { end } = await stack.apply(program("a") + broken("bad", 'after = ["a"]'));
    expect(end.outcome).toBe("rolled-back");
    expect(await running(stack)).toEqual({});
    const next = await stack.apply(program("a"));
    expect(next.plan.changes).toMatchObject([
      { action: "load", causes: [{ kind: "failed" }, { kind: "keys" }] },
    ]);
    expect(Object.keys(await running(stack))).toEqual(["a"]);
  });

  test("an optional one is told, and the rest goes on", async () => {
    const stack = await liveStack();
    const text = program("a", 'requires = ["extra"]\nafter = ["extra"]') + broken("extra", "optional = true");
    const { end } = await stack.apply(text, { roots: ["a"] });
    expect(end).toMatchObject({
      outcome: "applied",
      ranks: [{ leftOut: [{ unit: "extra" }], failures: [] }],
    });
    expect(Object.keys(await running(stack))).toEqual(["a"]);
  });
});

describe("before the first removal", () => {
  test.each([
    ["a command that is not found", '["no-such-program"]', ""],
    ["a user that is not known", '["sleep", "1000"]', 'user = "no-such-user"'],
    ["an environment file that is missing", '["sleep", "1000"]', 'environment-file = ["missing"]'],
  ])("trap-E9 %s stops nothing", async (_, command, more) => {
    const stack = await liveStack();
    await stack.apply(program("a") + program("b"));
    const before = await stack.pids();
    const { end } = await stack.apply(program("a", more, command));
    expect(end).toMatchObject({ outcome: "rolled-back", ranks: [{ failures: [{ unit: "a" }] }] });
    expect(await stack.pids()).toEqual(before);
  });
});

describe("what runs", () => {
  test("trap-E8 takes a changed stop and probe in place, with the same process", async () => {
    const stack = await liveStack();
    const trap = (signal: string): string =>
      program(
        "a",
        `stop = { signal = "${signal}" }\nready = { log = "set" }`,
        `"trap 'echo got > got; exit 0' USR1; echo set; while :; do sleep 0.01; done"`,
      );
    await stack.apply(trap("SIGTERM"));
    const before = await stack.pids();
    const { plan } = await stack.apply(trap("SIGUSR1"));
    expect(plan.changes.map(({ action }) => action)).toEqual(["change"]);
    expect(await stack.pids()).toEqual(before);
    await stack.handle.rpc("module.remove", { name: "a" });
    expect(readFileSync(join(stack.dir, "got"), "utf8")).toBe("got\n");
  });

  test("trap-E8 fails by an alive probe that it was given while it ran", async () => {
    const stack = await liveStack();
    await stack.apply(program("a"));
    await stack.apply(program("a", 'alive = { file = "no", interval = "20ms", failures = 1 }'));
    await stack.logged("a module runtime failure: not alive");
  });

  test("trap-E8 lives on with a watchdog that it was not started with, until its next start", async () => {
    const stack = await liveStack();
    await stack.apply(program("a") + program("b"));
    const before = await stack.pids();
    const beats = 'alive = { notify = true, interval = "20ms", failures = 1 }';
    const { plan } = await stack.apply(program("a", 'watchdog = "20ms"') + program("b", beats));
    expect(plan.changes.map(({ action }) => action)).toEqual(["change", "change"]);
    await stack.load({ name: "q", command: "sleep 1000", ready: { afterMs: 1000 } });
    expect(await stack.pids()).toMatchObject(before);
    await stack.handle.rpc("module.reload", { name: "a" });
    await stack.logged("a module runtime failure: not alive: the program has not sent WATCHDOG=1");
  });

  test("trap-E8 follows from the first restart on what it was given to follow in place", async () => {
    const stack = await liveStack();
    await stack.apply(program("f") + program("g") + program("p"));
    const text =
      program("f", 'follows = ["p"]') + program("g", 'follows = ["s"]') + program("p", 'provides = ["s"]');
    const { plan } = await stack.apply(text);
    expect(plan.changes.map(({ action }) => action)).toEqual(["change", "change", "change"]);
    await stack.handle.rpc("module.reload", { name: "p" });
    await stack.logged("f restarts, because it follows p");
    await stack.logged("g restarts, because it follows p");
  });

  test("trap-E11 and has ended with 0 is not started again as long as it is unchanged", async () => {
    const stack = await liveStack();
    await stack.apply(program("once", "", '"exit 0"'));
    await stack.logged("once exited");
    expect((await stack.compare(program("once", "", '"exit 0"'))).changes).toEqual([]);
    const { plan } = await stack.apply(program("once"));
    expect(plan.changes).toMatchObject([{ action: "load" }]);
  });

  test("trap-E15 ends before what has its name's place starts", async () => {
    const stack = await liveStack();
    const alone = "\"mkdir lock && trap 'rmdir lock; exit 0' TERM; echo on; while :; do sleep 0.01; done\"";
    await stack.apply(program("old", 'ready = { log = "on" }', alone));
    const { plan, end } = await stack.apply(program("new", 'ready = { log = "on" }', alone));
    expect(plan.renamings).toEqual([{ from: "old", to: "new", same: "command" }]);
    expect(end.outcome).toBe("applied");
    expect(Object.keys(await running(stack))).toEqual(["new"]);
  });

  test("and is reloaded has its followers restarted once, after it", async () => {
    const stack = await liveStack();
    const follower = program("f", 'follows = ["a"]');
    await stack.apply(program("a") + follower);
    const before = await stack.pids();
    const { plan } = await stack.apply(program("a", 'args = ["1"]') + follower);
    expect(plan.changes.map(({ action }) => action)).toEqual(["reload", "restart"]);
    const after = await stack.pids();
    expect(after["f"]).not.toBe(before["f"]);
    expect(isAlive(before["f"] ?? 0)).toBe(false);
    const lines = stack.log.map(({ text }) => text).filter((text) => /^apply: re|f restarts/.test(text));
    expect(lines).toEqual(["apply: reload a", "apply: restart f"]);
  });

  test("holds requests to what is replaced, and all of them are answered", async () => {
    const stack = await liveStack();
    await stack.apply(program("a"));
    const pinging = keepPinging(stack, ["a"]);
    for (const args of ["1", "2", "3"]) {
      expect((await stack.apply(program("a", `args = ["${args}"]`))).end.outcome).toBe("applied");
    }
    expect(await pinging.stop()).toEqual([]);
  });
});

describe("modules in threads and in processes", () => {
  const CODE = `import { randomUUID } from "node:crypto";
const run = randomUUID();
export async function modMain(h, ...args) {
  h.handle("tell", () => ({ run, says: "WORD " + args.join(" ") }));
  if (args.includes("bad")) throw new Error("not like this");
  await h.run();
}
`;
  const unit = (name: string, file: string, more = ""): string =>
    `[[modules]]\nname = "${name}"\nmodule = "./${file}.mjs"\non-failure = "log"\n${more}\n`;
  const units = (args: string): string =>
    unit("thread", "a", args) +
    unit("process", "a", `exec = true\n${args}`) +
    unit("shared", "a", 'thread = "shared"') +
    unit("still", "b") +
    unit("alone", "b", "exec = true");
  const NAMES = ["thread", "process", "shared", "still", "alone"];

  function writeModules(stack: LiveStack, word: string): void {
    writeBeside(stack, "a.mjs", CODE.replace("WORD", word));
    writeBeside(stack, "b.mjs", CODE.replace("WORD", "same"));
  }

  async function tell({ handle }: LiveStack): Promise<Record<string, readonly [run: string, says: string]>> {
    const told = await Promise.all(
      NAMES.map(async (name) => {
        const { run, says } = fields(await handle.rpc(`${name}.tell`), { run: "string", says: "string" });
        return [name, [run, says]] as const;
      }),
    );
    return Object.fromEntries(told);
  }

  test("are reloaded for another file or other arguments; those that stay keep their run and answer throughout", async () => {
    const stack = await liveStack();
    writeModules(stack, "one");
    await stack.apply(units(""));
    const before = await tell(stack);
    expect((await stack.compare(units(""))).changes).toEqual([]);
    writeModules(stack, "two");
    const pinging = keepPinging(stack, NAMES);
    const { plan, end } = await stack.apply(units('args = ["x"]'));
    expect(await pinging.stop()).toEqual([]);
    expect(end.outcome).toBe("applied");
    expect(plan.changes.map((change) => [change.action, change.causes.map(({ kind }) => kind)])).toEqual([
      ["reload", ["file", "keys"]],
      ["reload", ["file", "keys"]],
      ["reload", ["file"]],
    ]);
    const after = await tell(stack);
    expect(NAMES.map((name) => after[name]?.[1])).toEqual(["two x", "two x", "two ", "same ", "same "]);
    expect(NAMES.filter((name) => after[name]?.[0] === before[name]?.[0])).toEqual(["still", "alone"]);
  });

  test("come back as they were after a failure; one whose file has changed cannot, and that is said", async () => {
    const stack = await liveStack();
    writeModules(stack, "one");
    await stack.apply(units(""));
    const bad = units('args = ["x"]') + unit("bad", "b", 'args = ["bad"]\nafter = ["thread", "process"]');
    const undone = await stack.apply(bad);
    expect(undone.end).toMatchObject({
      outcome: "rolled-back",
      ranks: [{ failures: [{ unit: "bad" }], incomplete: [] }],
    });
    expect(Object.values(await tell(stack)).map(([, says]) => says)).toEqual([
      ...["one ", "one ", "one ", "same ", "same "],
    ]);
    writeModules(stack, "two");
    const { end } = await stack.apply(bad);
    expect(end.outcome).toBe("incomplete");
    expect(end.ranks[0]?.incomplete.map(({ unit: name, why }) => [name, why.split(",")[0]]).sort()).toEqual(
      ["process", "shared", "thread"].map((name) => [name, "its file has changed since its start"]),
    );
  });
});

describe("an apply that is interrupted", () => {
  const slow = program(
    "slow",
    'ready = { file = "ok", interval = "20ms" }\nafter = ["a"]',
    '"echo up; exec sleep 1000"',
  );

  test("trap-E5 is undone the first time, and the next one starts at once", async () => {
    const stack = await liveStack();
    await stack.apply(program("a"));
    const before = await running(stack);
    const session = await stack.prepare(program("a", 'args = ["1"]') + slow);
    const ended = session.run(({ type, unit }) => {
      if (type === "start" && unit === "slow") void session.interrupt();
    });
    expect(await ended).toMatchObject({ outcome: "rolled-back", incomplete: [] });
    expect(await running(stack)).toEqual(before);
    writeBeside(stack, "ok", "");
    expect((await stack.apply(program("a", 'args = ["1"]') + slow)).end.outcome).toBe("applied");
  });

  test("trap-E5 stops where it is the second time, and says what is neither old nor new", async () => {
    const stack = await liveStack();
    await stack.apply(program("a") + program("slow"));
    const session = await stack.prepare(program("a", 'args = ["1"]') + slow);
    const ended = session.run(({ type, unit }) => {
      if (type === "start" && unit === "slow") void session.interrupt().then(() => session.interrupt());
    });
    expect(await ended).toMatchObject({
      outcome: "incomplete",
      incomplete: [{ unit: "slow", why: "is not loaded" }],
    });
    expect((await running(stack))["a"]).toContain('["1"]');
  });

  const dying = `[[modules]]
name = "dying"
command = "exit 1"
ready = { log = "never" }
on-failure = "restart"
restart = { delay = "1h", longest = "1h", tries = "infinity" }
`;

  test("trap-E5 is undone while a load waits for its next try", async () => {
    const stack = await liveStack();
    const session = await stack.prepare(dying);
    const ended = session.run(() => undefined);
    await stack.logged("dying starts again in");
    await session.interrupt();
    expect(await ended).toMatchObject({ outcome: "rolled-back", incomplete: [] });
    await session.close();
    expect((await stack.apply(program("dying"))).end.outcome).toBe("applied");
  });

  test("by the time-out of a unit is undone, also while the load waits for its next try", async () => {
    const stack = await liveStack();
    const { end } = await stack.apply(`${dying}timeout = "1s"`);
    expect(end).toMatchObject({
      outcome: "rolled-back",
      ranks: [{ failures: [{ unit: "dying", message: "timed out after 1 s" }] }],
    });
  });

  test("trap-E5 stops the second time, also while the undo waits for an old module", async () => {
    const stack = await liveStack();
    const old = program("a", 'ready = { file = "ok", interval = "20ms" }', '"echo x >> starts; sleep 1000"');
    writeBeside(stack, "ok", "");
    await stack.apply(old);
    rmSync(join(stack.dir, "ok"));
    const session = await stack.prepare(program("a") + broken("b", 'after = ["a"]'));
    const ended = session.run(() => undefined);
    await expect.poll(() => readFileSync(join(stack.dir, "starts"), "utf8")).toBe("x\nx\n");
    await session.interrupt();
    await session.interrupt();
    expect(await ended).toMatchObject({ outcome: "incomplete", incomplete: [{ unit: "a" }] });
  });

  test("by another one waits for it, and says for which", async () => {
    const stack = await liveStack();
    const session = await stack.prepare(slow.replace('after = ["a"]', ""));
    const first = session.run(() => undefined);
    const other = await stack.broker.connect();
    const waits = other.rpcStream("module.apply", { by: "another" });
    expect((await waits.next()).value).toEqual({ kind: "waiting", by: "the test" });
    writeBeside(stack, "ok", "");
    expect((await first).outcome).toBe("applied");
    expect((await waits.next()).value).toEqual({ kind: "open" });
    await waits.return?.();
  });

  test("by the loss of one rank is undone on the others, and is incomplete", async () => {
    const [one, two] = await Promise.all([liveStack(), liveStack()]);
    await one.apply(program("a"));
    const before = await running(one);
    const client = await two.broker.connect();
    const lost = await two.propose(slow.replace('after = ["a"]', ""), { held: true }, client);
    const changed = await one.propose(program("a", 'args = ["1"]'), { held: true });
    const end = await applyOnAll([changed, { ...lost, rank: 1 }], {
      isRollback: true,
      onStep: (rank, { type }) => {
        if (rank === 1 && type === "start") void client.close();
      },
    });
    writeBeside(two, "ok", "");
    expect(end).toMatchObject({ outcome: "incomplete", isRefused: false });
    expect(end.ranks).toMatchObject([
      { rank: 0, outcome: "rolled-back" },
      { rank: 1, outcome: "incomplete", failures: [{ unit: "" }] },
    ]);
    expect(await running(one)).toEqual(before);
  });

  test("or waits for other ranks has its failed modules restarted as their units say", async () => {
    const stack = await liveStack();
    const text = program("a", 'restart = { delay = "0s" }').replace('"log"', '"restart"');
    const session = await stack.prepare(text, { held: true });
    expect(await session.run(() => undefined)).toMatchObject({ outcome: "applied" });
    process.kill(await stack.pid("a"), "SIGKILL");
    await stack.logged("a runs again");
    await session.keep();
    expect(Object.keys(await running(stack))).toEqual(["a"]);
  });

  test("trap-E5 by the loss of its client goes on to its end", async () => {
    const stack = await liveStack();
    const client = await stack.broker.connect();
    const session = await stack.prepare(slow.replace('after = ["a"]', ""), {}, client);
    const ended = session.run(({ type }) => {
      if (type === "start") void client.close().then(() => writeBeside(stack, "ok", ""));
    });
    await expect(ended).rejects.toMatchObject({});
    await stack.logged("apply: applied");
    expect(Object.keys(await running(stack))).toEqual(["slow"]);
  });
});
