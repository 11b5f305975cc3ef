import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { elfProblem } from "../../src/libraries/elf.js";
import {
  failureText,
  kindsOf,
  libraryHost,
  type LibraryManifest,
  type LibraryPick,
  type OpenedLibrary,
  readPicks,
  splitMember,
  type VerifyInput,
  verifyLibraries,
} from "../../src/libraries/index.js";
import { readManifest } from "../../src/libraries/manifest.js";
import { speaks, takesRelease } from "../../src/libraries/versions.js";

const HOST = libraryHost("0.3.0", kindsOf({ sched: "1.2" }));

const pick = (path: string, member: string, more: Partial<LibraryPick> = {}): LibraryPick => ({
  ...{ unit: member, path, member },
  ...more,
});

/** What is wrong with a library whose only module, `m`, is picked. */
function refusals(
  library: object,
  more: Partial<VerifyInput> & { readonly pick?: Partial<LibraryPick> } = {},
) {
  const manifest = { api: "1.0", modules: { m: {} }, ...library } as LibraryManifest;
  return verify({ "/lib": manifest }, [pick("/lib", "m", more.pick)], more);
}

const module = (m: object): object => ({ modules: { m } });

function verify(
  manifests: Readonly<Record<string, LibraryManifest>>,
  picks: readonly LibraryPick[],
  more: Partial<VerifyInput> = {},
): string[] {
  const opened = Object.entries(manifests).map(([path, manifest]): [string, OpenedLibrary] => [
    path,
    { kind: "opened", path, digest: "sha256-0", manifest },
  ]);
  const input = {
    picks,
    libraries: new Map(opened),
    others: new Map(),
    leftOut: new Set<string>(),
    host: HOST,
  };
  return verifyLibraries({ ...input, ...more }).map(failureText);
}

describe("verify takes", () => {
  test("a library that asks for nothing, and one that asks for what there is", () => {
    expect(refusals({})).toEqual([]);
    const asked = {
      kind: "sched",
      kindVersion: "1.1",
      version: "2.1.0",
      compatible: true,
      conflicts: ["x"],
      main: true,
    };
    expect(refusals({ host: ">=0.3 <2", shared: true, modules: { m: asked } })).toEqual([]);
  });
});

describe("verify refuses, with both versions", () => {
  test.each([
    ["another api major", { api: "2.0" }, "/lib: is of library api 2.0; this host has api 1.0"],
    ["a newer api minor", { api: "1.1" }, "/lib: is of library api 1.1; this host has api 1.0"],
    ["a host out of range", { host: ">=0.4" }, "/lib: is built for Sluice >=0.4; this host is 0.3.0"],
    ["a range that is none", { host: ">=0.3, <2" }, "/lib: host: '>=0.3, <2' is not a range of versions"],
    [
      "an interpreter out of range",
      { python: ">=3.12", pythonVersion: "3.11.2" },
      "/lib: needs Python >=3.12; this host runs 3.11.2",
    ],
    [
      "an interpreter where there is none",
      { python: ">=3.9" },
      "/lib: needs Python >=3.9; this host runs no Python",
    ],
    [
      "a range of interpreters that is none",
      { python: "3.9 or later", pythonVersion: "3.11.2" },
      "/lib: python: '3.9 or later' is not a range of versions",
    ],
    [
      "a kind that the host does not know",
      module({ kind: "shed" }),
      "/lib#m: is of kind 'shed', which this host lacks; valid kinds: content-backing 1.0, sched 1.2",
    ],
    [
      "a kind newer than the host's",
      module({ kind: "sched", kindVersion: "1.3" }),
      "/lib#m: is of kind sched 1.3; this host has sched 1.2",
    ],
    [
      "another major of a kind",
      module({ kind: "content-backing", kindVersion: "2.0" }),
      "/lib#m: is of kind content-backing 2.0; this host has content-backing 1.0",
    ],
    [
      "what says that it is not compatible",
      module({ compatible: false }),
      "/lib#m: is not compatible with this host, Sluice 0.3.0",
    ],
    [
      "what says why it is not compatible",
      module({ compatible: "no GPU" }),
      "/lib#m: is not compatible with this host, Sluice 0.3.0: no GPU",
    ],
    ["a version that is none", module({ version: "2.x" }), "/lib#m: its version '2.x' is not a version"],
    ["a module without a function", module({ main: false }), "/lib#m: has no function main"],
    [
      "a requirement that is not picked",
      module({ requires: ["base"] }),
      "/lib#m: requires 'base', which is not picked",
    ],
    [
      "a requirement that has a bad range",
      module({ requires: { base: "newest" } }),
      "/lib#m: requires: 'newest' is not a range of versions",
    ],
    [
      "a conflict that has a bad range",
      module({ conflicts: { base: "newest" } }),
      "/lib#m: conflicts: 'newest' is not a range of versions",
    ],
  ])("%s", (_what, library, message) => {
    expect(refusals(library)).toEqual([message]);
  });

  test("a file that is not a library, could not be read, or was never opened", () => {
    const libraries = new Map<string, OpenedLibrary>([
      ["/plain", { kind: "none", path: "/plain" }],
      ["/broken", { kind: "failed", path: "/broken", problems: ["it throws", "it exits"] }],
    ]);
    const picks = ["/plain", "/broken", "/unseen"].map((path) => pick(path, "m", { unit: path.slice(1) }));
    expect(verify({}, picks, { libraries })).toEqual([
      "/plain: is not a library",
      "/broken: it throws",
      "/broken: it exits",
      "/unseen: is not opened",
    ]);
  });

  test("a module that the library lacks, with what is alike", () => {
    const manifest: LibraryManifest = { api: "1.0", modules: { "sched-fifo": {}, "sched-fair": {} } };
    expect(verify({ "/lib": manifest }, [pick("/lib", "sched-fifi")])).toEqual([
      "/lib#sched-fifi: is not in the library, which has sched-fifo, sched-fair; did you mean 'sched-fifo'?",
    ]);
  });

  test("a conflict and a requirement by the version of the other", () => {
    const other: LibraryManifest = { api: "1.0", modules: { base: { version: "1.4.0" } } };
    const picks = [pick("/lib", "m"), pick("/base", "base", { unit: "ground" })];
    const beside = (m: object): string[] =>
      verify({ "/lib": { api: "1.0", modules: { m } }, "/base": other }, picks);
    expect(beside({ requires: { base: "^1.2" }, conflicts: { base: ">=2" } })).toEqual([]);
    expect(beside({ requires: { base: ">=2" } })).toEqual([
      "/lib#m: requires 'base' >=2; 'base' 1.4.0 is picked",
    ]);
    expect(beside({ conflicts: { base: "1.x" } })).toEqual([
      "/lib#m: conflicts with 'base' 1.x; 'base' 1.4.0 is picked too",
    ]);
    expect(beside({ conflicts: ["ground"] })).toEqual([
      "/lib#m: conflicts with 'ground'; 'ground' 1.4.0 is picked too",
    ]);
  });

  test("a conflict with an ordinary module, which has no version to meet a requirement", () => {
    const others = new Map([["sched-simple", undefined]]);
    expect(refusals(module({ conflicts: ["sched-simple"] }), { others })).toEqual([
      "/lib#m: conflicts with 'sched-simple'; 'sched-simple' without a version is picked too",
    ]);
    expect(refusals(module({ requires: ["sched-simple"] }), { others })).toEqual([]);
    expect(refusals(module({ requires: { "sched-simple": ">=1" } }), { others })).toEqual([
      "/lib#m: requires 'sched-simple' >=1; 'sched-simple' without a version is picked",
    ]);
  });

  test("what something loaded has a conflict with", () => {
    const others = new Map([["old", { version: "1.0.0", conflicts: { m: "<2" } }]]);
    expect(refusals(module({ version: "1.5.0" }), { others })).toEqual([
      "/lib#m: 'm' 1.5.0 conflicts with 'old' 1.0.0, which is loaded",
    ]);
    expect(refusals(module({ version: "2.0.0" }), { others })).toEqual([]);
  });

  test("a library that shares its state and is to run in several places", () => {
    const manifest: LibraryManifest = { api: "1.0", shared: true, modules: { a: {}, b: {} } };
    const threads = [pick("/lib", "a", { thread: "x" }), pick("/lib", "b", { thread: "y" })];
    expect(verify({ "/lib": manifest }, threads)).toEqual([
      "/lib: shares its state, but is picked into the threads x, y",
    ]);
    expect(
      verify({ "/lib": manifest }, [pick("/lib", "a", { loader: "process" }), pick("/lib", "b")]),
    ).toEqual(["/lib: shares its state, which excludes a process for 'a'"]);
    expect(verify({ "/lib": manifest }, [pick("/lib", "a", { thread: "x" }), pick("/lib", "b")])).toEqual([]);
  });

  test("everything that is wrong at once, and a library's own faults once", () => {
    const manifest: LibraryManifest = {
      api: "2.0",
      host: ">=9",
      modules: { a: { kind: "shed" }, b: { requires: ["c"], version: "x" } },
    };
    expect(verify({ "/lib": manifest }, [pick("/lib", "a"), pick("/lib", "b")])).toEqual([
      "/lib: is of library api 2.0; this host has api 1.0",
      "/lib: is built for Sluice >=9; this host is 0.3.0",
      expect.stringContaining("/lib#a: is of kind 'shed'"),
      "/lib#b: its version 'x' is not a version",
      "/lib#b: requires 'c', which is not picked",
    ]);
  });
});

describe("names", () => {
  test("trap-G10: of two libraries are an error that names both; one module under two names is legal", () => {
    const manifest: LibraryManifest = { api: "1.0", modules: { m: {} } };
    const manifests = { "/one": manifest, "/two": manifest };
    expect(verify(manifests, [pick("/one", "m"), pick("/two", "m")])).toEqual([
      "/two#m: is picked as 'm', the name of /one#m",
    ]);
    expect(verify(manifests, [pick("/one", "m"), pick("/one", "m", { unit: "again" })])).toEqual([]);
  });
});

describe("trap-G4: versions", () => {
  test.each([
    ["0.3.0", ">=0.3 <2", true],
    ["0.3.0-rc.1", ">=0.3 <2", true],
    ["1.0.0-rc.1", ">=0.3 <2", true],
    ["2.0.0-rc.1", ">=0.3 <2", false],
    ["2.0.0-rc.1", ">=0.3 <2.0.0", false],
    ["1.2.0-rc.1", ">=1.2", true],
    ["1.2.0+build.7", "1.2.0", true],
    ["0.2.9", ">=0.3 <2", false],
    ["1.0.0", ">=0.3, <2", undefined],
    ["1.0.0", ">=1 || latest", undefined],
    ["1.0.0", "", true],
    ["1.0.0", "*", true],
    ["unknown", "*", false],
  ])("a host %s in %s: %s", (version, range, expected) => {
    expect(takesRelease(range, version)).toBe(expected);
  });

  test.each([
    ["1.0", "1.0", true],
    ["1.2", "1.0", true],
    ["1.2", "1", true],
    ["1.0", "1.0.1", false],
    ["1.2", "1.3", false],
    ["1.2", "0.9", false],
    ["2.0", "1.0", false],
    ["1.10", "1.9", true],
    ["1.3-rc.1", "1.3", true],
    ["1.3", "1.3-rc.1", true],
  ])("a host that speaks %s, asked for %s: %s", (spoken, wanted, expected) => {
    expect(speaks(spoken, wanted)).toBe(expected);
  });
});

describe("trap-G5: a manifest", () => {
  const sound = {
    api: "1.0",
    host: "*",
    python: "*",
    shared: false,
    sluice: "0.3.0",
    pythonVersion: "3.11.2",
    modules: {
      m: {
        kind: "sched",
        kindVersion: "1.0",
        version: "1.0.0",
        description: "d",
        compatible: "why",
        conflicts: ["a"],
        requires: { b: "*" },
        main: true,
      },
    },
  };

  test("with every field is taken", () => {
    expect(readManifest(sound)).toEqual({ ok: true, manifest: sound });
  });

  const problems = (said: unknown): readonly string[] => {
    const read = readManifest(said);
    return read.ok ? [] : read.problems;
  };

  test.each(Object.keys(sound))("is refused if its %s is of another type", (field) => {
    expect(problems({ ...sound, [field]: 7 })).toEqual([expect.stringMatching(new RegExp(`^${field}: `))]);
  });

  test.each(Object.keys(sound.modules.m))("is refused if the %s of a module is of another type", (field) => {
    const modules = { m: { ...sound.modules.m, [field]: 7 } };
    expect(problems({ ...sound, modules })).toEqual([
      expect.stringMatching(new RegExp(`^modules\\.m\\.${field}: `)),
    ]);
  });

  test.each([
    ["no api", { modules: sound.modules }, "api"],
    ["no modules", { api: "1.0" }, "modules"],
    ["modules without any", { ...sound, modules: {} }, "modules"],
    ["an unknown field", { ...sound, hosts: "*" }, "hosts"],
    ["an api that is no version", { ...sound, api: "one" }, "api"],
    ["a name that names nothing", { ...sound, modules: { "a.b": {} } }, "a.b"],
    ["a kind version that is none", { ...sound, modules: { m: { kindVersion: "v1" } } }, "kindVersion"],
  ])("is refused with %s", (_what, said, named) => {
    expect(problems(said)).toEqual([expect.stringContaining(named)]);
  });

  test.each([[null], [7], ["text"], [[]]])("is refused if it is %j", (said) => {
    expect(problems(said)).toEqual(["its manifest is not an object"]);
  });
});

describe("a native file", () => {
  /** The first bytes of an ELF file. */
  const elf = (elfClass: 1 | 2, machine: number, isBig = false): Buffer => {
    const header = Buffer.alloc(64);
    header.write("\x7fELF", "latin1");
    header[4] = elfClass;
    header[5] = isBig ? 2 : 1;
    if (isBig) header.writeUInt16BE(machine, 18);
    else header.writeUInt16LE(machine, 18);
    return header;
  };

  test.each([
    ["one for this processor", elf(2, 62), undefined],
    ["one for another", elf(2, 183), "is built for arm64, 64 bits; this host is x64, 64 bits"],
    ["one of another word size", elf(1, 3), "is built for ia32, 32 bits; this host is x64, 64 bits"],
    ["one of another byte order", elf(2, 22, true), "is built for s390x, 64 bits; this host is x64, 64 bits"],
    [
      "one for a processor that Node does not run on",
      elf(2, 9999),
      "is built for machine 9999, 64 bits; this host is x64, 64 bits",
    ],
    ["a script", Buffer.from("#!/bin/sh\necho something or other\n"), undefined],
    ["a short file", Buffer.from("\x7fELF"), undefined],
  ])("%s", async (_what, content, problem) => {
    const dir = mkdtempSync(join(tmpdir(), "sluice-elf-"));
    onTestFinished(() => rmSync(dir, { recursive: true }));
    writeFileSync(join(dir, "file"), content);
    expect(await elfProblem(join(dir, "file"), "x64")).toBe(problem);
  });
});

describe("what is picked", () => {
  test.each([
    ["./lib.js#fifo", "./lib.js", "fifo"],
    ["/a#b/lib.js", "/a#b/lib.js", undefined],
    ["/a#b/lib.js#m", "/a#b/lib.js", "m"],
    ["lib", "lib", undefined],
    ["#m", "#m", undefined],
    ["lib#", "lib#", undefined],
  ])("%s is the file %s, the module %s", (text, file, member) => {
    expect(splitMember(text)).toEqual({ file, member });
  });

  test("on a command line stands after a # or the last colon", () => {
    expect(readPicks("./a.js#m,C:/b.js:n,b,:x")).toEqual([
      ["./a.js#m", { file: "./a.js", member: "m" }],
      ["C:/b.js:n", { file: "C:/b.js", member: "n" }],
      ["b", undefined],
      [":x", undefined],
    ]);
  });
});
