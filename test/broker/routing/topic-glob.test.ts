import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { topicGlob } from "../../../src/broker/routing/topic-glob.js";

describe("a glob of topics", () => {
  test.each([
    ["kvs.get", ["kvs.get"], ["kvs.gets", "kvs", "xkvs.get", ""]],
    ["kvs.*", ["kvs.get", "kvs.a.b", "kvs."], ["kvs", "akvs.get"]],
    ["*", ["kvs.get", "a", ""], []],
    ["*.get", ["kvs.get", "a.b.get"], ["kvs.getx", "get"]],
    ["k?s.*t", ["kvs.get", "kés.put"], ["ks.get", "kvss.get"]],
    ["[a-c]*.[!x]", ["b.y", "cab.-"], ["d.y", "b.x", "b."]],
    ["[]a]", ["]", "a"], ["[", "b"]],
    ["[a-]", ["a", "-"], ["b"]],
    ["[a", ["[a"], ["a"]],
    ["a\\*", ["a*"], ["ab", "a\\*"]],
    ["\u{1F600}?", ["\u{1F600}\u{1F600}"], ["\u{1F600}"]],
  ])("%s matches whole topics", (pattern, matching, others) => {
    const glob = topicGlob(pattern);
    expect(matching.filter((topic) => !glob(topic))).toEqual([]);
    expect(others.filter(glob)).toEqual([]);
  });

  test("says what the regular expression of the same meaning says", () => {
    const piece = fc.constantFrom("*", "?", "a", "b", ".", "[ab]", "[!a]");
    const asRegExp: Readonly<Record<string, string>> = { "*": ".*", "?": ".", ".": "\\.", "[!a]": "[^a]" };
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 8 }),
        fc.string({ unit: fc.constantFrom("a", "b", ".", "c"), maxLength: 12 }),
        (pieces, topic) => {
          const expected = new RegExp(`^${pieces.map((p) => asRegExp[p] ?? p).join("")}$`).test(topic);
          expect(topicGlob(pieces.join(""))(topic)).toBe(expected);
        },
      ),
      { numRuns: 2000 },
    );
  });

  test("of many stars takes no longer than its lengths multiplied", () => {
    const glob = topicGlob(`${"*a".repeat(40)}*b`);
    // A matcher that goes back to every star would take longer than the universe is old.
    expect(glob("a".repeat(20_000))).toBe(false);
  });
});
