import { describe, expect, test } from "vitest";
import { MODULE_OPTION_FIELDS } from "../../../src/loaders/index.js";
import { makeModule, optionsOf, parseFragment } from "../../../src/units/index.js";
import { camelKey, isKeyOf, rowsOf } from "../../../src/units/keys/keys.js";
import { UNIT_KEYS } from "../../../src/units/keys/unit-keys.js";

const OPTIONS = rowsOf("module").filter((row) => "isOption" in row);

describe("the table of unit keys", () => {
  test("names each key and each property once", () => {
    for (const names of [UNIT_KEYS.map(({ key }) => key), UNIT_KEYS.map(({ json }) => json)]) {
      expect(new Set(names).size).toBe(names.length);
    }
  });

  test("names a property like its key, with the unit of measure of a quantity", () => {
    const units = new Map<string, string>([
      ["duration", "Ms"],
      ["size", "Bytes"],
    ]);
    for (const { key, kind, json } of UNIT_KEYS) expect(json).toBe(camelKey(key) + (units.get(kind) ?? ""));
  });

  test("has the options that a load carries, by the same names", () => {
    expect(OPTIONS.map(({ json }) => json).sort()).toEqual(Object.keys(MODULE_OPTION_FIELDS).sort());
  });

  test("says which units have a key", () => {
    expect([isKeyOf("module", "args"), isKeyOf("task", "args")]).toEqual([true, false]);
    expect([isKeyOf("module", "timeout"), isKeyOf("task", "timeout")]).toEqual([true, true]);
  });
});

describe("a load", () => {
  test("carries what is set or has a default, and nothing that has no value", () => {
    expect(optionsOf(makeModule({ name: "m", order: 0, settings: {} }))).toEqual({
      exec: false,
      thread: "own",
      onFailure: "panic",
      secret: false,
    });
  });

  test("carries a watchdog that waits for ever as 0, which is none", () => {
    const settings = { watchdog: { text: "infinity", value: Infinity } };
    expect(optionsOf(makeModule({ name: "m", order: 0, settings }))).toHaveProperty("watchdogMs", 0);
  });

  test("carries each option of a unit file in the form of its payload", () => {
    const text = `[[modules]]
name = "m"
exec = true
loader = "python"
thread = "group"
memory-limit = "2MiB"
on-failure = "log"
watchdog = "1500ms"
command = ["postgres", "-D", "data"]
directory = "/srv"
environment = { PORT = "1" }
unset = ["HOME"]
ready = { tcp = "127.0.0.1:1", interval = "200ms", deadline = "infinity" }
environment-file = ["a.env"]
user = "u"
group = "g"
limits = { nofile = 5, core = "1KiB:infinity" }
output = "discard"
alive = { notify = true, interval = "3s" }
stop = { signal = "SIGINT", timeout = "20s" }
on-exit = "restart"
success = ["SIGTERM", 143]
restart = { delay = "0s", tries = "infinity" }
follows = ["x"]
secret = true
provides = ["y"]
`;
    const read = parseFragment(text, { file: "a.toml" });
    if (!read.ok) throw new Error(read.diagnostics[0]?.message);
    const [definition] = read.value.definitions;
    expect(optionsOf(makeModule({ name: "m", order: 0, settings: definition?.settings ?? {} }))).toEqual({
      exec: true,
      loader: "python",
      thread: "group",
      memoryLimitBytes: 2 ** 21,
      onFailure: "log",
      watchdogMs: 1500,
      command: ["postgres", "-D", "data"],
      directory: "/srv",
      environment: { PORT: "1" },
      unset: ["HOME"],
      ready: { tcp: "127.0.0.1:1", intervalMs: 200, deadlineMs: Number.MAX_SAFE_INTEGER },
      environmentFile: ["a.env"],
      user: "u",
      group: "g",
      limits: { nofile: "5:5", core: "1024:infinity" },
      output: "discard",
      alive: { notify: true, intervalMs: 3000 },
      stop: { signal: "SIGINT", timeoutMs: 20_000 },
      onExit: "restart",
      success: ["SIGTERM", 143],
      restart: { delayMs: 0, tries: Number.MAX_SAFE_INTEGER },
      follows: ["x"],
      secret: true,
      provides: ["y"],
    });
  });
});
