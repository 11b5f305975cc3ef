import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { KeptFiles } from "../../src/caches/index.js";
import { giveTo, isRoot, testUsers } from "../helpers/users.js";

let base: string;
beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), "sluice-kept-")));
});
afterEach(() => {
  rmSync(base, { recursive: true, force: true });
});

function keptIn(directory: string, { levels = 1, limit = 1000 } = {}): KeptFiles {
  return new KeptFiles({ directory, levels, limit });
}

const bytes = (text: string) => [Buffer.from(text)];

test("what is kept is read again, in a directory of mode 0700 and files of mode 0600", () => {
  const directory = join(base, "a/b");
  const kept = keptIn(directory, { levels: 2 });
  expect(kept.read("x")).toBeUndefined();
  kept.write("x", [Buffer.from("one"), Buffer.alloc(0), Buffer.from("two")]);
  expect(kept.read("x")?.toString()).toBe("onetwo");
  expect(statSync(directory).mode & 0o777).toBe(0o700);
  expect(statSync(join(directory, "x")).mode & 0o777).toBe(0o600);
  expect(readdirSync(directory)).toEqual(["x"]);
});

test("a file takes the place of one of the same name as a whole", () => {
  const kept = keptIn(join(base, "k"));
  kept.write("x", bytes("a longer text"));
  kept.write("x", bytes("short"));
  expect(kept.read("x")?.toString()).toBe("short");
});

test("more directories than said are not made", () => {
  const directory = join(base, "a/b/c");
  keptIn(directory, { levels: 2 }).write("x", bytes("text"));
  expect(existsSync(join(base, "a"))).toBe(false);
});

test("a directory that others can read or write to is neither used nor filled", () => {
  for (const mode of [0o755, 0o770, 0o701, 0o1777]) {
    const directory = join(base, String(mode));
    keptIn(directory).write("x", bytes("text"));
    expect(keptIn(directory).read("x")?.toString()).toBe("text");
    chmodSync(directory, mode);
    const later = keptIn(directory);
    expect(later.read("x")).toBeUndefined();
    later.write("y", bytes("text"));
    expect(readdirSync(directory)).toEqual(["x"]);
  }
});

test("a directory below one that others can write to is not used, as they could exchange it", () => {
  const open = join(base, "open");
  mkdirSync(open);
  const directory = join(open, "k");
  keptIn(directory).write("x", bytes("text"));
  chmodSync(open, 0o777);
  expect(keptIn(directory).read("x")).toBeUndefined();
  chmodSync(open, 0o1777);
  expect(keptIn(directory).read("x")?.toString()).toBe("text");
});

describe.each(isRoot ? testUsers.filter(({ uid }) => uid !== 0) : [])("of another user", (user) => {
  test("a directory and a file are not used", () => {
    const directory = join(base, "k");
    keptIn(directory).write("x", bytes("text"));
    giveTo(user, directory);
    expect(keptIn(directory).read("x")).toBeUndefined();
    giveTo({ ...user, uid: 0, gid: 0 }, directory);
    giveTo(user, join(directory, "x"));
    expect(keptIn(directory).read("x")).toBeUndefined();
  });

  test("a directory gets none below it", () => {
    giveTo(user, base);
    keptIn(join(base, "k")).write("x", bytes("text"));
    expect(readdirSync(base)).toEqual([]);
  });
});

test("a link, a directory and a file that others can read are no kept files", () => {
  const directory = join(base, "k");
  const kept = keptIn(directory);
  kept.write("x", bytes("text"));
  symlinkSync("x", join(directory, "link"));
  mkdirSync(join(directory, "folder"));
  writeFileSync(join(directory, "open"), "text");
  chmodSync(join(directory, "open"), 0o644);
  expect(["link", "folder", "open"].map((name) => kept.read(name))).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

test("the files that were used last stay when there are too many", () => {
  const directory = join(base, "k");
  const kept = keptIn(directory, { limit: 25 });
  const age = (name: string, hours: number) => {
    const seconds = Date.now() / 1000 - hours * 3600;
    utimesSync(join(directory, name), seconds, seconds);
  };
  kept.write("a", bytes("0123456789"));
  kept.write("b", bytes("0123456789"));
  age("a", 3);
  age("b", 2);
  // Use counts: a is younger than b now.
  expect(kept.read("a")).toBeDefined();
  kept.write("c", bytes("0123456789"));
  expect(readdirSync(directory).sort()).toEqual(["a", "c"]);
});

test("a file that is larger than all may be together is not kept", () => {
  const directory = join(base, "k");
  keptIn(directory, { limit: 5 }).write("x", bytes("0123456789"));
  expect(existsSync(join(directory, "x"))).toBe(false);
});

test("the draft of a process that was killed goes with the next write", () => {
  const directory = join(base, "k");
  const kept = keptIn(directory);
  kept.write("x", bytes("text"));
  const draft = join(directory, ".draft-1-0-0");
  writeFileSync(draft, "half of i");
  kept.write("y", bytes("text"));
  expect(existsSync(draft)).toBe(true);
  const seconds = Date.now() / 1000 - 2 * 3600;
  utimesSync(draft, seconds, seconds);
  kept.write("z", bytes("text"));
  expect(readdirSync(directory).sort()).toEqual(["x", "y", "z"]);
});
