import { spawnSync } from "node:child_process";
import { constants } from "node:os";
import { readFile } from "node:fs/promises";
import { describe, expect, test, vi } from "vitest";
import {
  ERRNO,
  ERROR_CODES,
  errnoName,
  errnumOf,
  isErrno,
  messageOf,
  requestError,
  SluiceError,
  strerror,
} from "../../src/errors/index.js";

describe("a fault", () => {
  test("has a code, and what it was made of", () => {
    const cause = new Error("below");
    const error = new SluiceError("RUN_FAILED", "it broke", { cause, unit: "kvs", errnum: 5 });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: "SluiceError",
      code: "RUN_FAILED",
      message: "it broke",
      cause,
      unit: "kvs",
      errnum: 5,
    });
  });

  test("has no cause at all, if none is given", () => {
    expect(Object.hasOwn(new SluiceError("INTERNAL", "x"), "cause")).toBe(false);
  });

  test("is one for whichever copy of the library it comes from", async () => {
    vi.resetModules();
    const copy = await import("../../src/errors/index.js");
    expect(copy.SluiceError).not.toBe(SluiceError);
    expect(new copy.SluiceError("INTERNAL", "x")).toBeInstanceOf(SluiceError);
    expect(new SluiceError("INTERNAL", "x")).toBeInstanceOf(copy.SluiceError);
    for (const other of [new Error("x"), {}, null, undefined, "SluiceError"]) {
      expect(other instanceof SluiceError).toBe(false);
    }
  });

  test("of a request has the error number, and its text unless there is a better one", () => {
    expect(requestError("ENOENT")).toMatchObject({
      code: "BROKER_REQUEST",
      errnum: 2,
      message: "No such file or directory",
    });
    expect(requestError("ENOENT", "no kvs")).toMatchObject({ errnum: 2, message: "no kvs" });
  });
});

describe("the error number", () => {
  test("is found on our errors, on those of Node, and on what carries one", async () => {
    const absent: unknown = await readFile("/nowhere/at/all").catch((error: unknown) => error);
    expect(errnumOf(absent)).toBe(2);
    expect(errnumOf(requestError("EPERM"))).toBe(1);
    expect(errnumOf({ errnum: 17 })).toBe(17);
    expect(isErrno(absent, "ENOENT")).toBe(true);
    expect(isErrno(absent, "EPERM")).toBe(false);
  });

  test.each([
    undefined,
    null,
    3,
    "ENOENT",
    new Error("x"),
    { errnum: "2" },
    Object.assign(new Error("x"), { code: "toString" }),
  ])("is not found on %o", (value) => {
    expect(errnumOf(value)).toBeUndefined();
    expect(isErrno(value, "ENOENT")).toBe(false);
  });

  test("has a name and a text, each number its own", () => {
    expect(new Set(Object.values(ERRNO)).size).toBe(Object.keys(ERRNO).length);
    for (const [name, number] of Object.entries(ERRNO)) expect(errnoName(number)).toBe(name);
    expect(strerror(9999)).toBe("Unknown error 9999");
  });

  test("has the text that C gives it", () => {
    const numbers = Object.values(ERRNO);
    const code = "import json, os, sys; print(json.dumps([os.strerror(n) for n in json.load(sys.stdin)]))";
    const python = spawnSync("python3", ["-c", code], { input: JSON.stringify(numbers), encoding: "utf8" });
    expect(JSON.parse(python.stdout)).toEqual(numbers.map(strerror));
  });

  test.each(["EROFS", "ELOOP", "ENAMETOOLONG", "EADDRINUSE", "EDQUOT", "ETXTBSY"])(
    "of files and sockets has a name: %s",
    (name) => expect(errnoName(constants.errno[name as keyof typeof constants.errno])).toBe(name),
  );
});

test("whatever was thrown has a text", () => {
  expect([new Error("a"), "b", undefined, 3].map(messageOf)).toEqual(["a", "b", "undefined", "3"]);
});

test("every code is there once", () => {
  expect(new Set(ERROR_CODES).size).toBe(ERROR_CODES.length);
});
