import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ByteLru } from "../../../src/modules/content/lru.js";

describe("the cache", () => {
  test("forgets what was not used for longest", () => {
    const cache = new ByteLru<number>(3);
    for (const key of ["a", "b", "c"]) cache.set(key, 1, 1);
    expect(cache.get("a")).toBe(1);
    cache.set("d", 1, 1);
    expect(["a", "b", "c", "d"].filter((key) => cache.get(key) !== undefined)).toEqual(["a", "c", "d"]);
  });

  test("does not hold what is larger than itself, and then not the older value either", () => {
    const cache = new ByteLru<string>(10);
    cache.set("a", "small", 5);
    cache.set("a", "large", 11);
    expect(cache.get("a")).toBeUndefined();
    expect(cache.bytes).toBe(0);
  });

  test("never holds more bytes than it may, and counts what it holds", () => {
    const set = fc.record({ key: fc.constantFrom("a", "b", "c", "d", "e"), bytes: fc.nat(12) });
    fc.assert(
      fc.property(fc.array(set), (sets) => {
        const cache = new ByteLru<number>(20);
        for (const { key, bytes } of sets) {
          cache.set(key, bytes, bytes);
          expect(cache.get(key)).toBe(bytes);
          expect(cache.bytes).toBeLessThanOrEqual(20);
        }
        const held = ["a", "b", "c", "d", "e"]
          .map((key) => cache.get(key))
          .filter((value) => value !== undefined);
        expect(cache.bytes).toBe(held.reduce((sum, bytes) => sum + bytes, 0));
        expect(cache.size).toBe(held.length);
      }),
    );
  });
});
