import { describe, expect, expectTypeOf, test } from "vitest";
import { ERRNO } from "../../src/errors/index.js";
import {
  decodePayload,
  encodePayload,
  fields,
  isSubscription,
  isTopic,
  methodOf,
  type Payload,
  serviceOf,
  SubscriptionTable,
} from "../../src/messages/index.js";

describe("the fields of a payload", () => {
  test("have the types that were asked for", () => {
    const payload: Payload = { name: "x", args: ["a"], n: 1, deep: { a: [1] }, other: true };
    const found = fields(payload, {
      name: "string",
      args: "string[]?",
      n: "integer",
      deep: "object",
      missing: "boolean?",
      any: "json?",
    });
    expect(found).toEqual({ name: "x", args: ["a"], n: 1, deep: { a: [1] }, missing: undefined });
    expectTypeOf(found.name).toEqualTypeOf<string>();
    expectTypeOf(found.args).toEqualTypeOf<readonly string[] | undefined>();
    expectTypeOf(found.missing).toEqualTypeOf<boolean | undefined>();
  });

  test("may all be left out when no payload came, and null counts as left out", () => {
    expect(fields(undefined, { a: "string?" })).toEqual({ a: undefined });
    expect(fields({ a: null }, { a: "string?" })).toEqual({ a: undefined });
    expect(fields({ a: null }, { a: "json?" })).toEqual({ a: null });
  });

  test.each<[string, Payload, string]>([
    ["a missing field", {}, "a"],
    ["an inherited one", { b: 1 }, "a"],
    ["null", { a: null }, "a"],
    ["another kind", { a: 1 }, "a"],
  ])("are EPROTO, naming the field, for %s", (_what, payload, name) => {
    expect(() => fields(payload, { a: "string" })).toThrow(
      expect.objectContaining({
        errnum: ERRNO.EPROTO,
        message: expect.stringContaining(`'${name}'`) as string,
      }),
    );
  });

  test.each<[Payload, "integer" | "number" | "boolean" | "string[]" | "object" | "array"]>([
    [{ a: 1.5 }, "integer"],
    [{ a: "1" }, "number"],
    [{ a: 0 }, "boolean"],
    [{ a: ["x", 1] }, "string[]"],
    [{ a: [] }, "object"],
    [{ a: {} }, "array"],
  ])("in %o are not of kind %s", (payload, kind) => {
    expect(() => fields(payload, { a: kind })).toThrow(expect.objectContaining({ errnum: ERRNO.EPROTO }));
  });

  test("never come from an inherited property", () => {
    expect(fields({}, { toString: "string?" })).toEqual({ toString: undefined });
  });

  test.each<Payload>([1, "x", [1], new Uint8Array(1)])("are EPROTO when the payload is %o", (payload) => {
    expect(() => fields(payload, {})).toThrow(expect.objectContaining({ errnum: ERRNO.EPROTO }));
  });
});

describe("a payload", () => {
  test("is JSON text unless it is bytes or nothing", () => {
    const bytes = new Uint8Array([1]);
    expect([encodePayload(null), encodePayload("a"), encodePayload(undefined)]).toEqual([
      "null",
      '"a"',
      undefined,
    ]);
    expect(encodePayload(bytes)).toBe(bytes);
    expect(decodePayload('{"a":1}')).toEqual({ a: 1 });
  });

  test("that is no JSON value is EINVAL, text that is no JSON is EPROTO", () => {
    const wrong = [1n, (): void => undefined, Symbol("x")] as unknown[];
    for (const value of wrong) {
      expect(() => encodePayload(value as Payload)).toThrow(
        expect.objectContaining({ errnum: ERRNO.EINVAL }),
      );
    }
    expect(() => decodePayload("")).toThrow(expect.objectContaining({ errnum: ERRNO.EPROTO }));
  });
});

describe("a topic", () => {
  test("is words joined by single dots, the first of which is the service", () => {
    expect(["a", "a.b", "kvs-watch.get"].map(isTopic)).toEqual([true, true, true]);
    expect(["", ".", "a.", ".a", "a..b", "a b", "a\n"].map(isTopic)).toEqual(Array(7).fill(false));
    expect([serviceOf("a.b.c"), methodOf("a.b.c")]).toEqual(["a", "b.c"]);
    expect([serviceOf("a"), methodOf("a")]).toEqual(["a", ""]);
  });

  test("may be subscribed to whole, by its beginning, or with all others", () => {
    expect(["a.b", "a.b.*", "*"].map(isSubscription)).toEqual([true, true, true]);
    expect(["", ".*", "a..*", "a. b"].map(isSubscription)).toEqual(Array(4).fill(false));
  });

  test("finds each subscriber once", () => {
    const table = new SubscriptionTable<string>();
    expect([table.add("a.*", "x"), table.add("a.*", "y"), table.add("*", "x")]).toEqual([true, false, true]);
    expect([...table.match("a.b.c")]).toEqual(["x", "y"]);
    expect([...table.match("a")]).toEqual(["x"]);
    expect([table.delete("a.*", "x"), table.delete("a.*", "x"), table.delete("a.*", "y")]).toEqual([
      false,
      false,
      true,
    ]);
    expect([table.has("a.*"), [...table.patterns()]]).toEqual([false, ["*"]]);
  });
});
