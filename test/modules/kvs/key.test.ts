import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ERRNO } from "../../../src/errors/index.js";
import {
  childAt,
  decodeKey,
  encodeKey,
  isBelow,
  KEY_MAX_BYTES,
  pastSubtree,
  prefixOf,
} from "../../../src/modules/kvs/key.js";

const word = fc.string({
  unit: fc.constantFrom("a", "b", "-", "+", " ", "!", "~", "é", "\u{1f600}"),
  minLength: 1,
  maxLength: 4,
});
const key = fc.array(word, { minLength: 1, maxLength: 4 }).map((words) => words.join("."));

describe("keys of the KVS", () => {
  test.each(["", ".", "a.", ".a", "a..b", "a\nb", "a\tb", "\u0000", "x".repeat(KEY_MAX_BYTES + 1)])(
    "the key %j is refused with EINVAL",
    (text) => {
      expect(() => encodeKey(text)).toThrow(expect.objectContaining({ errnum: ERRNO.EINVAL }));
    },
  );

  test("the longest key is counted in bytes of UTF-8", () => {
    expect(decodeKey(encodeKey("é".repeat(KEY_MAX_BYTES / 2)))).toHaveLength(KEY_MAX_BYTES / 2);
    expect(() => encodeKey("é".repeat(KEY_MAX_BYTES / 2 + 1))).toThrow(
      expect.objectContaining({ errnum: ERRNO.EINVAL }),
    );
  });

  test("the form that the tree sorts by can be read back", () => {
    fc.assert(
      fc.property(key, (text) => {
        expect(decodeKey(encodeKey(text))).toBe(text);
      }),
    );
  });

  test("all that lies below a key sorts right after it, and before what is past its subtree", () => {
    fc.assert(
      fc.property(key, key, (one, other) => {
        const [a, b] = [encodeKey(one), encodeKey(other)];
        const below = other.startsWith(`${one}.`);
        expect(isBelow(b, a)).toBe(below);
        expect(b > a && b < pastSubtree(a)).toBe(below);
        expect(b.startsWith(prefixOf(a))).toBe(below);
      }),
    );
  });

  test("a name in a directory is the next word, and a directory when more words follow", () => {
    expect(childAt(encodeKey("a.b.c"), prefixOf(encodeKey("a")))).toEqual({ name: "b", dir: true });
    expect(childAt(encodeKey("a.b"), prefixOf(encodeKey("a")))).toEqual({ name: "b", dir: false });
    expect(childAt(encodeKey("a.b"), prefixOf(undefined))).toEqual({ name: "a", dir: true });
  });
});
