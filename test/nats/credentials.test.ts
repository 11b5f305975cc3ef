/** The files of credentials in the directory of a service manager: which count, and which are refused. */
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { ERRNO, messageOf } from "../../src/errors/index.js";
import { type NatsCredentials, withHandedFiles } from "../../src/nats/credentials.js";
import { giveTo, testUsers } from "../helpers/users.js";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sluice-handed-"));
  return () => rmSync(directory, { recursive: true, force: true });
});

const NAMES = ["creds", "nk", "ca", "crt", "key"] as const;

function put(name: (typeof NAMES)[number], mode = 0o400): string {
  const path = join(directory, `sluice-nats.${name}`);
  writeFileSync(path, "x");
  chmodSync(path, mode);
  return path;
}

function refusal(given: NatsCredentials = {}): string {
  try {
    withHandedFiles({ ...given, directory }, false);
  } catch (error) {
    expect(error).toMatchObject({ code: "BROKER_STATE", errnum: ERRNO.EACCES });
    return messageOf(error);
  }
  return expect.unreachable("no file was refused");
}

describe("the files that count", () => {
  test("have the names of the guide", () => {
    const [creds, nkey, tlsCa, tlsCert, tlsKey] = NAMES.map((name) => put(name));
    expect(withHandedFiles({ directory }, false)).toEqual({ creds, nkey, tlsCa, tlsCert, tlsKey });
  });

  test("are none in an empty or missing directory", () => {
    for (const at of [directory, join(directory, "missing"), "", undefined]) {
      expect(withHandedFiles({ directory: at }, false)).toEqual({});
    }
  });

  test.each<[string, NatsCredentials, boolean, readonly string[]]>([
    ["--creds", { creds: "/f" }, false, ["creds", "tlsCa", "tlsCert", "tlsKey"]],
    ["--nkey", { nkey: "/f" }, false, ["nkey", "tlsCa", "tlsCert", "tlsKey"]],
    ["a user in the list of servers", {}, true, ["tlsCa", "tlsCert", "tlsKey"]],
    ["--tls-ca", { tlsCa: "/f" }, false, ["creds", "nkey", "tlsCa", "tlsCert", "tlsKey"]],
    [
      "--tls-cert and --tls-key",
      { tlsCert: "/f", tlsKey: "/f" },
      false,
      ["creds", "nkey", "tlsCa", "tlsCert", "tlsKey"],
    ],
  ])("make way for %s", (_, given, hasUser, known) => {
    for (const name of NAMES) put(name);
    const all = withHandedFiles({ ...given, directory }, hasUser);
    expect(Object.keys(all).sort()).toEqual([...known].sort());
    expect(all).toMatchObject(given);
  });
});

describe("a file is refused", () => {
  test("that other users may read, if it is secret; one that a group may read is not", () => {
    const secret = (["creds", "nk", "key"] as const).map((name) => put(name, 0o444));
    for (const name of ["ca", "crt"] as const) put(name, 0o444);
    expect(
      refusal()
        .split("; ")
        .filter((line) => line.startsWith("/")),
    ).toEqual(secret.map((path) => `${path} may be read by other users`));
    for (const name of NAMES) put(name, 0o440);
    expect(Object.keys(withHandedFiles({ directory }, false)).length).toBe(NAMES.length);
  });

  test.each([0o420, 0o402])("that others may write, with the mode %o", (mode) => {
    const path = put("ca", mode);
    expect(refusal()).toBe(`${path} may be written by other users; try: chmod 600 ${path}`);
  });

  test("that lacks its certificate or key", () => {
    put("crt");
    expect(refusal()).toBe(`${directory}/sluice-nats.key is missing: a certificate and its key go together`);
    rmSync(join(directory, "sluice-nats.crt"));
    put("key");
    expect(refusal()).toContain("sluice-nats.crt is missing");
  });

  test("that cannot be looked at", () => {
    const loop = join(directory, "sluice-nats.nk");
    symlinkSync(loop, loop);
    expect(refusal()).toContain(`${loop}: `);
  });

  test("that belongs to a user other than root and this one", () => {
    const path = put("nk");
    for (const user of testUsers) {
      giveTo(user, path);
      if ([0, process.geteuid?.()].includes(user.uid)) {
        expect(withHandedFiles({ directory }, false)).toEqual({ nkey: path });
      } else expect(refusal()).toContain(`${path} is owned by user ${user.uid}, not by root or this user`);
    }
  });
});
