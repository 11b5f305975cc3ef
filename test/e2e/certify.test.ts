import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";

const ROOT = resolve(import.meta.dirname, "../..");
const BREACHING = join(ROOT, "test/libraries/fixtures/breaching-scheduler.mjs");
const BREACHING_BACKING = join(ROOT, "test/libraries/fixtures/breaching-backing.mjs");
const CONTRACT = readFileSync(join(ROOT, "etc/kinds/sched.json"), "utf8");

let sandbox: Sandbox;
beforeEach(() => {
  sandbox = new Sandbox();
});
afterEach(() => {
  expect(sandbox.survivors()).toEqual([]);
  sandbox.remove();
});

interface Certified {
  readonly exchanges: number;
  readonly breaches: readonly { readonly method: string; readonly message: string }[];
}

async function certify(...args: string[]) {
  return certifyAs("sched", ...args);
}

async function certifyAs(kind: string, ...args: string[]) {
  const { status, stdout } = await sandbox.run(["module", "certify", "--json", "--kind", kind, ...args]);
  return { status, ...(JSON.parse(stdout) as Certified) };
}

describe("module certify", () => {
  test.each(["sched-simple", "sched-fifo", "sched-backfill"])("passes %s of examples/batch", async (name) => {
    const certified = await certify(`${ROOT}/examples/batch/modules/scheds.ts#${name}`);
    expect(certified).toMatchObject({ status: 0, exchanges: 4, breaches: [] });
  });

  test("passes the module of the breaches as long as it has none", async () => {
    expect(await certify(BREACHING)).toMatchObject({ status: 0, breaches: [] });
  });

  test.each([
    ["no-rank", "alloc", "rank: missing"],
    ["rank-is-text", "alloc", 'rank: must be integer, not "0"'],
    ["cores-are-text", "alloc", 'cores[0]: must be integer, not "0"'],
    ["one-field-more", "alloc", "host: unknown field"],
    ["other-cores", "alloc", "cores: must be [0,1], not [1,2]"],
    ["over-committed", "alloc", "response: the module answered at once, but had to wait"],
    ["other-error", "alloc", "error: must be EPROTO, not EINVAL"],
    ["free-says-more", "free", "payload: must be null, not {"],
    ["frees-anything", "free", "error: must be EPROTO, but the request succeeded"],
    ["never-passes", "alloc", "error: must be a response, not ETIMEDOUT"],
  ])("fails the breach %s with the method and the field", async (breach, method, message) => {
    const { status, breaches } = await certify("--timeout=1", BREACHING, breach);
    expect(status).toBe(1);
    const found = breaches.map((one) => `${one.method}: ${one.message}`);
    expect(found.some((text) => text.startsWith(`${method}: ${message}`))).toBe(true);
    for (const one of breaches) expect(one.method).toBe(method);
  });

  test("names the exchange and its step for people, and refuses a kind without a contract", async () => {
    const failed = await sandbox.run(["module", "certify", "--kind", "sched", BREACHING, "no-rank"]);
    expect(failed).toMatchObject({ status: 1, stdout: "" });
    expect(failed.stderr).toContain(": alloc: rank: missing (all cores of a host, step 1)\n");
    const unknown = await sandbox.run(["module", "certify", "--kind", "fuel", BREACHING]);
    expect(unknown.status).toBe(2);
    expect(unknown.stderr).toContain("kind 'fuel' has no contract; give --contract");
  });

  test("takes the contract that the table kinds of a configuration names, from the file's directory", async () => {
    sandbox.write("site/fuel.json", CONTRACT.replace('"sched"', '"fuel"'));
    sandbox.write("site/conf.toml", '[kinds]\nfuel = { version = "1.0", contract = "fuel.json" }\n');
    const config = ["--config-path", "site/conf.toml"];
    expect(await certifyAs("fuel", ...config, BREACHING)).toMatchObject({ status: 0, exchanges: 4 });
    const listed = await sandbox.run(["module", "kinds", "--json", ...config]);
    const { kinds } = JSON.parse(listed.stdout) as { kinds: object[] };
    const contract = join(sandbox.dir, "site/fuel.json");
    expect(kinds).toContainEqual({ kind: "fuel", version: "1.0", methods: [], contract });
    // An instance with that configuration says the same.
    const inside = "sluice module certify --kind fuel " + BREACHING;
    const started = await sandbox.run(["start", "-c", "site/conf.toml", "-S", "broker.rc1_path=", inside]);
    expect(started.stdout).toContain("keeps fuel 1.0: 4 exchanges");
  });
});

describe("module certify of content-backing", () => {
  test.each(["content-sqlite", "content-files"])("passes the shipped %s", async (name) => {
    const certified = await certifyAs("content-backing", name);
    expect(certified).toMatchObject({ status: 0, exchanges: 6, breaches: [] });
  });

  test("passes the module of the breaches as long as it has none", async () => {
    expect(await certifyAs("content-backing", BREACHING_BACKING)).toMatchObject({ status: 0, breaches: [] });
  });

  test.each([
    ["other-digest", "store", "ref: must be"],
    ["no-ref", "store", "ref: missing"],
    ["one-field-more", "store", "bytes: unknown field"],
    ["stores-json", "store", "error: must be EPROTO, but the request succeeded"],
    ["seven-bits", "load", "payload: must be"],
    ["blob-as-text", "load", "payload: must be raw bytes, not JSON"],
    ["makes-up-blobs", "load", "error: must be ENOENT, but the request succeeded"],
    ["other-error", "load", "error: must be EINVAL, not ENOENT"],
    ["keeps-the-first", "checkpoint-get", "value.root: must be"],
    ["one-record", "checkpoint-get", "value"],
    ["bare-value", "checkpoint-get", "value: missing"],
  ])("fails the breach %s with the method and the field", async (breach, method, message) => {
    const { status, breaches } = await certifyAs("content-backing", BREACHING_BACKING, breach);
    expect(status).toBe(1);
    const found = breaches.map((one) => `${one.method}: ${one.message}`);
    expect(found.filter((text) => text.startsWith(`${method}: ${message}`))).not.toEqual([]);
  });
});

interface ContractFile {
  version: string;
  exchanges: object[];
  methods: Record<
    string,
    { request: { required: string[] }; response: { properties?: Record<string, object> }; errors: string[] }
  >;
}

describe("module kinds", () => {
  function changed(edit: (contract: ContractFile) => void): string {
    const contract = JSON.parse(CONTRACT) as ContractFile;
    edit(contract);
    return sandbox.write("new.json", JSON.stringify(contract));
  }

  async function diff(edit: (contract: ContractFile) => void) {
    const old = sandbox.write("old.json", CONTRACT);
    return sandbox.run(["module", "kinds", "--diff", old, changed(edit)]);
  }

  test("lists the kinds, their methods, and which have a contract", async () => {
    const { stdout } = await sandbox.run(["module", "kinds", "--json"]);
    const { kinds } = JSON.parse(stdout) as { kinds: object[] };
    expect(kinds).toContainEqual({
      ...{ kind: "sched", version: "1.0", methods: ["alloc", "free"] },
      contract: expect.stringContaining("etc/kinds/sched.json") as string,
    });
    expect(Object.keys((JSON.parse(CONTRACT) as ContractFile).methods)).toEqual(["alloc", "free"]);
  });

  test("says minor for what comes on top, and takes the version that says so", async () => {
    const { status, stdout } = await diff((contract) => {
      contract.version = "1.1";
      contract.methods["alloc"]?.errors.push("EINVAL");
    });
    expect({ status, stdout }).toEqual({
      status: 0,
      stdout: "sched 1.0 → 1.1: minor\n  minor  alloc.errors: EINVAL is added\n",
    });
  });

  test("refuses a minor change under the same version", async () => {
    const { status, stderr } = await diff((contract) => {
      contract.methods["alloc"]?.errors.push("EINVAL");
    });
    expect(status).toBe(1);
    expect(stderr).toContain("sched 1.0 is too low after 1.0; the minimum is 1.1");
  });

  test("says major for what breaks modules or callers, and refuses a version that says less", async () => {
    const { status, stdout, stderr } = await diff((contract) => {
      contract.version = "1.1";
      delete contract.methods["free"];
      contract.exchanges = [];
      contract.methods["alloc"]?.request.required.push("duration");
      delete contract.methods["alloc"]?.response.properties?.["rank"];
    });
    expect(status).toBe(1);
    expect(stdout.split("\n").slice(0, -1)).toEqual([
      "sched 1.0 → 1.1: major",
      "  major  alloc.request.duration: field is now required",
      "  major  alloc.response.rank: field is removed",
      "  major  free: method is removed",
    ]);
    expect(stderr).toContain("sched 1.1 is too low after 1.0; the minimum is 2.0");
  });

  test("refuses a contract whose exchanges or shapes promise what is not checked", async () => {
    const odd = changed((contract) =>
      Object.assign(contract.methods["alloc"]?.request ?? {}, { pattern: "x" }),
    );
    const { status, stderr } = await sandbox.run(["module", "kinds", "--diff", odd, odd]);
    expect(status).toBe(1);
    expect(stderr).toContain("methods.alloc.request.pattern: unknown; valid keywords: type, properties");
  });
});
