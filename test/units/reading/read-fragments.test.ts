import { execFile } from "node:child_process";
import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import {
  composeUnits,
  LayeredConfiguration,
  readFragments,
  readRcFragment,
  type ReadEvent,
} from "../../../src/units/index.js";
import { errorsOf, unitOf, valueOf, withDirectory } from "../support.js";

/** Writes files by path below a directory. */
async function write(directory: string, files: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(directory, path, ".."), { recursive: true });
    await writeFile(join(directory, path), content);
  }
}

const module = (name: string, rest = "") => `[[modules]]\nname = "${name}"\n${rest}`;

/** Nothing of this process or of the machine. */
const offline = (directory: string) => ({
  env: {},
  dataDir: join(directory, "data"),
  confDir: join(directory, "conf"),
});

describe("unit files are read", () => {
  test("built-in file first, then each directory of the search path by file name in byte order", async () => {
    await withDirectory(async (directory) => {
      await write(directory, {
        "data/modprobe/modprobe.toml": module("built-in"),
        "data/modprobe/modprobe.d/b.yaml": "modules: [{name: b}]\n",
        "data/modprobe/modprobe.d/B.toml": module("B"),
        "data/modprobe/modprobe.d/a.yml": "modules: [{name: a}]\n",
        "data/modprobe/modprobe.d/\u{1F600}.toml": module("astral"),
        "data/modprobe/modprobe.d/\uFF5E.toml": module("wide"),
        "data/modprobe/modprobe.d/.hidden.toml": "this is not TOML",
        "data/modprobe/modprobe.d/README.md": "this is not TOML",
        "conf/modprobe/modprobe.d/0.toml": module("site"),
      });
      const catalog = valueOf(await composeUnits(offline(directory)));
      expect(catalog.units.map(({ name }) => name)).toEqual([
        "built-in",
        "B",
        "a",
        "b",
        "wide",
        "astral",
        "site",
      ]);
    });
  });

  test("and each directory and file is told as it is looked at", async () => {
    await withDirectory(async (directory) => {
      await write(directory, { "data/modprobe/modprobe.toml": "", "one/modprobe.d/a.toml": module("a") });
      const events: ReadEvent[] = [];
      await readFragments({
        dataDir: join(directory, "data"),
        searchPath: [join(directory, "one"), join(directory, "absent")],
        onRead: (event) => events.push(event),
      });
      expect(
        events.map((event) =>
          event.kind === "loading" ? `loading ${event.file}` : `checking ${event.directory}/${event.pattern}`,
        ),
      ).toEqual([
        `loading ${directory}/data/modprobe/modprobe.toml`,
        `checking ${directory}/one/modprobe.d/*.toml`,
        `loading ${directory}/one/modprobe.d/a.toml`,
        `checking ${directory}/absent/modprobe.d/*.toml`,
      ]);
    });
  });

  test("from nowhere at all, which is no error", async () => {
    await withDirectory(async (directory) => {
      expect(valueOf(await composeUnits(offline(directory))).units).toEqual([]);
    });
  });

  test("into the same catalog, in whatever order the directory lists its files", async () => {
    await withDirectory(async (directory) => {
      const names = ["m", "c", "x", "a", "q"];
      const text = (name: string) => module(name) + (name === "x" ? "[a]\npriority = 3\n" : "");
      for (const [run, order] of [names, [...names].reverse()].entries()) {
        for (const name of order) await write(directory, { [`${run}/modprobe.d/${name}.toml`]: text(name) });
      }
      const read = async (run: string) =>
        valueOf(await composeUnits({ ...offline(directory), searchPath: [join(directory, run)] })).units;
      expect(await read("0")).toEqual(await read("1"));
    });
  });
});

describe("what is no readable file is reported with its name", () => {
  const problems = async (directory: string) => {
    const result = await readFragments({ searchPath: [directory] });
    return errorsOf(result).map(
      ({ code, location }) => `${code} ${location?.file.slice(directory.length) ?? ""}`,
    );
  };

  test("a directory, a pipe, a link to nowhere, a link to itself, a device", async () => {
    await withDirectory(async (directory) => {
      const at = (name: string) => join(directory, "modprobe.d", name);
      await mkdir(at("a.toml"), { recursive: true });
      await promisify(execFile)("mkfifo", [at("b.toml")]);
      await symlink("/nowhere/at/all", at("c.toml"));
      await symlink("d.toml", at("d.toml"));
      await symlink("/dev/zero", at("e.yaml"));
      expect(await problems(directory)).toEqual([
        "UNIT_NOT_A_FILE /modprobe.d/a.toml",
        "UNIT_NOT_A_FILE /modprobe.d/b.toml",
        "UNIT_UNREADABLE /modprobe.d/c.toml",
        "UNIT_UNREADABLE /modprobe.d/d.toml",
        "UNIT_NOT_A_FILE /modprobe.d/e.yaml",
      ]);
    });
  });

  test("a file where the directory should be", async () => {
    await withDirectory(async (directory) => {
      await write(directory, { "modprobe.d": "" });
      expect(await problems(directory)).toEqual(["UNIT_UNREADABLE /modprobe.d"]);
    });
  });

  test("a file that its owner may not read, unless the owner is root", async () => {
    await withDirectory(async (directory) => {
      await write(directory, { "modprobe.d/a.toml": module("a") });
      await chmod(join(directory, "modprobe.d/a.toml"), 0);
      const isRoot = process.getuid?.() === 0;
      const result = await readFragments({ searchPath: [directory] });
      expect(result.ok).toBe(isRoot);
      if (!result.ok) expect(result.diagnostics).toMatchObject([{ code: "UNIT_UNREADABLE" }]);
    });
  });

  test("bytes that are not UTF-8, with line and column", async () => {
    await withDirectory(async (directory) => {
      const bytes = Buffer.concat([Buffer.from('# é\nname = "é'), Buffer.from([0xff]), Buffer.from('"\n')]);
      await write(directory, { "modprobe.d/a.toml": bytes, "modprobe.d/b.toml": Buffer.from([0xc3]) });
      const result = errorsOf(await readFragments({ searchPath: [directory] }));
      expect(result).toMatchObject([
        { code: "UNIT_NOT_UTF8", location: { line: 2, column: 10 } },
        { code: "UNIT_NOT_UTF8", location: { line: 1, column: 1 } },
      ]);
    });
  });

  test("ten megabytes of noise", async () => {
    await withDirectory(async (directory) => {
      const noise = Buffer.alloc(10_000_000, "\u0001[=\"'\n#");
      await write(directory, { "modprobe.d/a.toml": noise, "modprobe.d/b.yaml": noise });
      const result = errorsOf(await readFragments({ searchPath: [directory] }));
      expect(result.map(({ code }) => code)).toEqual(["UNIT_SYNTAX", "UNIT_SYNTAX"]);
    });
  });
});

test("the problems of all files come in one go, sorted by place, and none hides another", async () => {
  await withDirectory(async (directory) => {
    await write(directory, {
      "modprobe.d/a.toml": `${module("a")}colour = 1\nprovides = ["s"]\n`,
      "modprobe.d/b.toml": "= broken\n",
      "modprobe.d/c.toml": `[x]\nranks = "0"\n[alternatives]\ns = "a"\n`,
      "modprobe.d/d.yaml": "modules:\n  - name: a\n  - name: a\n",
    });
    const result = await composeUnits({ ...offline(directory), searchPath: [directory] });
    const found = errorsOf(result).map(({ code, location }) => [
      code,
      location?.file.slice(-6),
      location?.line,
    ]);
    expect(found).toEqual([
      ["UNIT_UNKNOWN_KEY", "a.toml", 3],
      ["UNIT_SYNTAX", "b.toml", 1],
      ["UNIT_UNKNOWN_UNIT", "c.toml", 1],
      ["UNIT_DUPLICATE_NAME", "d.yaml", 3],
    ]);
    expect(errorsOf(result)[2]?.hint).toContain("b.toml");
  });
});

describe("composing all units", () => {
  test("takes the configuration after the files, with places in its own file", async () => {
    await withDirectory(async (directory) => {
      await write(directory, {
        "modprobe.d/a.toml": module("a", 'provides = ["s"]\n') + module("b", 'provides = ["s"]\n'),
      });
      const config = { modules: { alternatives: { s: "a" }, s: { priority: 7 }, a: { "provides+": ["t"] } } };
      const catalog = valueOf(await composeUnits({ ...offline(directory), searchPath: [directory], config }));
      expect(unitOf(catalog, "b").priority).toBe(7);
      expect(unitOf(catalog, "a").provides).toEqual(["s", "t"]);
      expect(catalog.alternatives).toMatchObject([
        { service: "s", unit: "a", origin: { label: "configuration" } },
      ]);
    });
  });

  test("reports a bad configuration along with bad files", async () => {
    await withDirectory(async (directory) => {
      await write(directory, { "modprobe.d/a.toml": "[[modules]]\n" });
      const config = LayeredConfiguration.of({
        modules: { a: { ranks: 0 }, alternatives: { s: "a" }, x: 3 },
      });
      const result = await composeUnits({ ...offline(directory), searchPath: [directory], config });
      expect(errorsOf(result).map(({ code }) => code)).toEqual([
        "UNIT_UNKNOWN_KEY",
        "UNIT_UNKNOWN_UNIT",
        "UNIT_UNKNOWN_SERVICE",
        "UNIT_WRONG_TYPE",
        "UNIT_MISSING_KEY",
      ]);
    });
  });

  test("disables what FLUX_MODPROBE_DISABLE names, between commas or blanks, but not for an explicit load", async () => {
    await withDirectory(async (directory) => {
      await write(directory, {
        "modprobe.d/a.toml": ["a", "b", "c", "d"].map((name) => module(name)).join(""),
      });
      const options = {
        ...offline(directory),
        searchPath: [directory],
        env: { FLUX_MODPROBE_DISABLE: " a,b  c,," },
      };
      const disabled = async (more: object) =>
        valueOf(await composeUnits({ ...options, ...more }))
          .units.filter((unit) => unit.disabled)
          .map(({ name }) => name);
      expect(await disabled({})).toEqual(["a", "b", "c"]);
      expect(await disabled({ disableFromEnv: false })).toEqual([]);
    });
  });

  test("says which names of FLUX_MODPROBE_DISABLE are unknown", async () => {
    await withDirectory(async (directory) => {
      const env = { FLUX_MODPROBE_DISABLE: "x,y" };
      const result = await composeUnits({ ...offline(directory), env });
      expect(errorsOf(result).map(({ message }) => message)).toEqual([
        "no such module or task 'x'",
        "no such module or task 'y'",
      ]);
    });
  });
});

describe("an rc file that is no script", () => {
  test("is read from disk", async () => {
    await withDirectory(async (directory) => {
      await write(directory, { "rc1.yaml": "load: [a]\n" });
      const fragment = valueOf(await readRcFragment(join(directory, "rc1.yaml")));
      expect(fragment.load).toMatchObject([{ name: "a" }]);
    });
  });

  test("must be TOML or YAML, and must be there", async () => {
    await withDirectory(async (directory) => {
      await write(directory, { "rc1.txt": "", "rc1.json": "{}" });
      const codeOf = async (name: string) => errorsOf(await readRcFragment(join(directory, name)))[0]?.code;
      expect(await codeOf("rc1.txt")).toBe("UNIT_UNKNOWN_FORMAT");
      expect(await codeOf("rc1.json")).toBe("UNIT_UNKNOWN_FORMAT");
      expect(await codeOf("rc1.toml")).toBe("UNIT_UNREADABLE");
    });
  });
});
