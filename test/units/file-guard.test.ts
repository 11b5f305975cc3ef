import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SluiceError } from "../../src/errors/index.js";
import { createFileGuard, INSECURE, readConfiguration, refuseInsecure } from "../../src/units/index.js";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "sluice-guard-"));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

function file(path: string, mode = 0o644): string {
  const at = join(dir, path);
  mkdirSync(resolve(at, ".."), { recursive: true });
  writeFileSync(at, "");
  chmodSync(at, mode);
  return at;
}

/** What a new guard blames, below the directory of the test. */
function blamed(path: string): string[] {
  return createFileGuard()
    .check(path)
    .map(({ code, location }) => `${code} ${relative(dir, location?.file ?? "")}`);
}

describe("a file guard", () => {
  test.each([
    [0o600, false],
    [0o644, false],
    [0o755, false],
    // The group of a new file is our own primary one.
    [0o664, false],
    [0o646, true],
    [0o602, true],
    // Sticky means nothing on a file.
    [0o1646, true],
  ])("judges a file of ours with mode %o", (mode, isBlamed) => {
    expect(blamed(file("a.toml", mode))).toEqual(isBlamed ? ["UNIT_INSECURE a.toml"] : []);
  });

  test.each([
    [0o755, false],
    [0o775, false],
    [0o757, true],
    [0o777, true],
    [0o1777, false],
  ])("judges a directory with mode %o, however far above the file", (mode, isBlamed) => {
    const at = file("open/a/b/c/d.toml");
    chmodSync(join(dir, "open"), mode);
    expect(blamed(at)).toEqual(isBlamed ? ["UNIT_INSECURE open"] : []);
  });

  test("blames a directory with the same object for each file in it, and finds all at once", () => {
    const files = [file("open/a.toml", 0o666), file("open/b.toml")];
    chmodSync(join(dir, "open"), 0o777);
    const guard = createFileGuard();
    const [first, second] = files.map((path) => guard.check(path));
    expect(first).toHaveLength(2);
    expect(second).toHaveLength(1);
    expect(second?.[0]).toBe(first?.[0]);
    expect(first?.[0]?.related[0]?.message).toContain(files[0]);
  });

  test("follows links as the kernel does, through directories and upwards", () => {
    file("open/deep/target/a.toml");
    mkdirSync(join(dir, "site"));
    symlinkSync("../open/deep/target", join(dir, "site/link"));
    symlinkSync("link/../../deep/target/a.toml", join(dir, "site/up.toml"));
    expect(blamed(join(dir, "site/up.toml"))).toEqual([]);
    chmodSync(join(dir, "open/deep"), 0o777);
    expect(blamed(join(dir, "site/link/a.toml"))).toEqual(["UNIT_INSECURE open/deep"]);
    expect(blamed(`${dir}/site/link/../x`)).toEqual(["UNIT_INSECURE open/deep"]);
  });

  test("says nothing about what is not there, a loop of links or a device: reading them fails", () => {
    symlinkSync("loop", join(dir, "loop"));
    for (const path of [join(dir, "none/x"), join(dir, "loop"), "/dev/zero", `${file("a")}/b`]) {
      expect(blamed(path)).toEqual([]);
    }
  });

  test("takes a relative path from the working directory", () => {
    const at = file("a.toml", 0o666);
    expect(blamed(relative(process.cwd(), at))).toEqual(["UNIT_INSECURE a.toml"]);
  });

  test("quotes what it says to run for a shell", () => {
    const [problem] = createFileGuard().check(file("it's.toml", 0o666));
    expect(problem?.message).toContain(`chmod o-w '${dir}/it'\\''s.toml'`);
  });

  test("trusts what the program is made of", () => {
    const shipped = resolve(import.meta.dirname, "../../etc/modprobe/modprobe.toml");
    expect(blamed(shipped)).toEqual([]);
  });
});

test("what is loaded is refused with EPERM, all that speaks against it a line each", () => {
  const at = file("open/m.mjs", 0o666);
  chmodSync(join(dir, "open"), 0o777);
  let thrown: unknown;
  try {
    refuseInsecure(createFileGuard(), at);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(SluiceError);
  expect(thrown).toMatchObject({ code: "UNIT_INSECURE", errnum: 1 });
  expect(String(thrown).split("\n")).toHaveLength(2);
  expect(() => refuseInsecure(INSECURE, at)).not.toThrow();
});

test("an empty configuration directory that others may write to is refused as well", async () => {
  mkdirSync(join(dir, "conf.d"));
  chmodSync(join(dir, "conf.d"), 0o777);
  const inputs = [{ kind: "path", path: join(dir, "conf.d") }] as const;
  expect(await readConfiguration(inputs)).toMatchObject({
    ok: false,
    diagnostics: [{ code: "UNIT_INSECURE" }],
  });
  expect(await readConfiguration(inputs, INSECURE)).toMatchObject({ ok: true });
});
