import { expect, test } from "vitest";
import { unitToJson } from "../../src/units/index.js";
import { catalogOf, unitOf } from "./support.js";

test("a module is one object with every key, in a fixed order, spelled as in unit files", () => {
  const text = `
[[modules]]
name = "m"
ranks = "0"
needs-env = ["!A", "B"]
timeout = "90s"
memory-limit = "512MiB"
`;
  const json = unitToJson(unitOf(catalogOf({ "a.toml": text }), "m"));
  expect(JSON.stringify(json)).toBe(
    '{"name":"m","module":"m","ranks":"0","provides":[],"priority":100,"requires":[],"needs":[],"after":[],"before":[],' +
      '"needs-config":[],"needs-attrs":[],"needs-env":["!A","B"],"disabled":false,"timeout":"90s","description":"",' +
      '"args":[],"exec":false,"loader":null,"thread":"own","memory-limit":"512MiB","on-failure":"panic",' +
      '"watchdog":null,"optional":false,"secret":false,"groups":[],"restart":null,"follows":[]}',
  );
});

test("a task has the keys of tasks", () => {
  const json = unitToJson(
    unitOf(catalogOf({ "a.toml": '[[tasks]]\nname = "t"\ncommand = ["a", "b"]\n' }), "t"),
  );
  expect(JSON.stringify(json)).toBe(
    '{"name":"t","ranks":"all","provides":[],"priority":100,"requires":[],"needs":[],"after":[],"before":[],' +
      '"needs-config":[],"needs-attrs":[],"needs-env":[],"disabled":false,"timeout":null,"description":"",' +
      '"optional":false,"secret":false,"groups":[],"command":["a","b"],"runlevels":["rc1"]}',
  );
});

test("quantities of a unit that was made without text are written in their base units", () => {
  const unit = unitOf(catalogOf({ "a.toml": '[[modules]]\nname = "m"\n' }), "m");
  expect(unitToJson({ ...unit, timeoutMs: 1500 })).toMatchObject({ timeout: "1500ms" });
  expect(unitToJson({ ...unit, timeoutMs: Infinity })).toMatchObject({ timeout: "infinity" });
});
