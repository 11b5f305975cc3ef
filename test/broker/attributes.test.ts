import { describe, expect, test } from "vitest";
import type { Attributes } from "../../src/broker/attributes.js";
import { builtinAttributes } from "../../src/broker/builtin-attributes.js";
import { Environment } from "../../src/broker/environment.js";
import { delayOf } from "../../src/broker/delay.js";
import { ERRNO } from "../../src/errors/index.js";

const IDENTITY = {
  rank: 0,
  size: 1,
  rundir: "/r",
  statedir: "/s",
  cachedir: "/c",
  localUri: undefined,
  startTimeMs: 0,
};

function attributes(given: Readonly<Record<string, string>> = {}): Attributes {
  return builtinAttributes(given, IDENTITY);
}

describe("broker.shutdown-timeout", () => {
  test.each([
    ["30s", 30_000],
    ["500ms", 500],
    ["1.5m", 90_000],
    ["0s", 0],
    ["30", 30_000],
    ["0.5", 500],
    ["infinity", Infinity],
  ])("%s is %d ms", (text, ms) => {
    expect(delayOf(attributes({ "broker.shutdown-timeout": text }), "broker.shutdown-timeout")).toBe(ms);
  });

  test("is 30 s unless it is set, and takes effect when it is set later", () => {
    const attrs = attributes();
    expect(delayOf(attrs, "broker.shutdown-timeout")).toBe(30_000);
    attrs.set("broker.shutdown-timeout", "2s");
    expect(delayOf(attrs, "broker.shutdown-timeout")).toBe(2000);
  });

  test.each(["", "soon", "-1s", "1 s"])("%j is refused, at start and later", (text) => {
    const refused = expect.objectContaining({ errnum: ERRNO.EINVAL }) as unknown;
    expect(() => attributes({ "broker.shutdown-timeout": text })).toThrow(refused);
    expect(() => attributes().set("broker.shutdown-timeout", text)).toThrow(refused);
  });
});

test("broker.module-nopanic is 0 or 1", () => {
  const attrs = attributes({ "broker.module-nopanic": "1" });
  expect(() => attrs.set("broker.module-nopanic", "yes")).toThrow(
    expect.objectContaining({ errnum: ERRNO.EINVAL }) as unknown,
  );
  expect(attrs.get("broker.module-nopanic")).toBe("1");
});

test("attributes that were made can be removed, those of the broker cannot", () => {
  const attrs = attributes({ site: "north" });
  attrs.remove("site");
  expect(attrs.get("site")).toBeUndefined();
  expect(() => attrs.remove("site")).toThrow(expect.objectContaining({ errnum: ERRNO.ENOENT }) as unknown);
  for (const name of ["rank", "broker.module-nopanic"]) {
    expect(() => attrs.remove(name)).toThrow(expect.objectContaining({ errnum: ERRNO.EPERM }) as unknown);
    expect(attrs.get(name)).toBeDefined();
  }
});

describe("broker.env-blocklist", () => {
  const names = ["HOME", "SSH_AGENT", "SSH_AUTH_SOCK", "A_TOKEN", "TOKEN_A", "AA"];
  const environment = new Environment(Object.fromEntries(names.map((name) => [name, "x"])));

  test.each([
    ["", []],
    ["HOME", ["HOME"]],
    ["HOME, AA\nHOM", ["HOME", "AA"]],
    ["SSH_*", ["SSH_AGENT", "SSH_AUTH_SOCK"]],
    ["*TOKEN*", ["A_TOKEN", "TOKEN_A"]],
    ["*_TOKEN,S*_A*T", ["SSH_AGENT", "A_TOKEN"]],
    ["A*A", ["AA"]],
    ["A*A*A", []],
    ["*", names],
  ])("%j keeps back %j", (blocklist, blocked) => {
    const inherited = Object.keys(environment.inherited(blocklist));
    expect(names.filter((name) => !inherited.includes(name))).toEqual(blocked);
  });
});
