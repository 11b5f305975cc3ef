import { describe, expect, test } from "vitest";
import { configFromJson, configToJson, parseConfigText } from "../../../src/units/index.js";
import { valueOf } from "../support.js";

describe("a configuration as JSON", () => {
  test("has dates as ISO text, and integers beyond the safe ones as decimal text", () => {
    const text = "when = 2026-01-02T03:04:05Z\nbig = 9007199254740993\nlist = [1, [true], { a = 'b' }]\n";
    const json = configToJson(valueOf(parseConfigText(text, "a.toml")));
    expect(JSON.parse(JSON.stringify(json))).toEqual({
      when: "2026-01-02T03:04:05.000Z",
      big: "9007199254740993",
      list: [1, [true], { a: "b" }],
    });
  });

  test("comes back as it went, but for what was null", () => {
    const table = configFromJson({ a: { b: null, c: [1, "x"] }, d: null });
    expect(configToJson(table)).toEqual({ a: { c: [1, "x"] } });
  });
});
