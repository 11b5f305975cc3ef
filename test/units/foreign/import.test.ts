/** Files of other tools as fragments: what is carried over, and what is said of the rest (docs/design/programs.md §2). */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { plan, verifyCatalog } from "../../../src/graph/index.js";
import {
  fragmentLines,
  type ImportedFile,
  importProcessCompose,
  importProcfile,
  importService,
  isComplete,
} from "../../../src/units/foreign/index.js";
import { type Catalog, compose, parseFragment } from "../../../src/units/index.js";
import { valueOf } from "../support.js";

const FIXTURES = resolve(import.meta.dirname, "../../fixtures/import");
const EXPECTED = "expected";
const SIBLINGS = new Set(["postgres", "api"]);

const NAMES = readdirSync(FIXTURES, { recursive: true, encoding: "utf8" })
  .filter((name) => /(?:Procfile|\.ya?ml|\.service)$/.test(name))
  .sort();

function imported(name: string): ImportedFile {
  const text = readFileSync(join(FIXTURES, name), "utf8");
  const env = join(FIXTURES, dirname(name), ".env");
  const dotenv = existsSync(env) ? readFileSync(env, "utf8") : undefined;
  if (name.endsWith(".service")) return importService(text, name, SIBLINGS);
  if (name.endsWith("Procfile")) return importProcfile(text, name, dotenv);
  return fromCompose(text, name);
}

function fromCompose(text: string, name = "process-compose.yaml", hasDotenv = false): ImportedFile {
  const read = importProcessCompose(text, name, hasDotenv);
  if (!read.ok) throw new Error(read.diagnostics.map(({ message }) => message).join("\n"));
  return read.value;
}

const textOf = (file: ImportedFile): string => `${fragmentLines(file).join("\n")}\n`;

/** The units of what comes out; whatever is wrong with it fails the test. */
function catalogOf(file: ImportedFile): Catalog {
  const fragment = valueOf(parseFragment(textOf(file), { file: "imported.toml" }));
  return valueOf(compose([fragment]));
}

/** Keys of a unit, as the fragment has them. */
function unitsOf(file: ImportedFile): Record<string, Record<string, unknown>> {
  return Object.fromEntries(
    file.units.map(({ kind, name, keys }) => [
      name,
      { kind, ...Object.fromEntries([...keys].map(([key, { value }]) => [key, value])) },
    ]),
  );
}

const remarksOf = ({ units, remarks }: ImportedFile) => [
  ...remarks,
  ...units.flatMap((unit) => unit.remarks),
];
const lostLines = (file: ImportedFile): number[] =>
  [...new Set(remarksOf(file).flatMap(({ isLost, line }) => (isLost ? [line] : [])))].sort((a, b) => a - b);

describe("each of twenty files of other tools", () => {
  test("is there", () => {
    expect(NAMES).toHaveLength(20);
  });

  test.each(NAMES)("trap-D2: %s becomes the expected fragment, which verifies", async (name) => {
    const file = imported(name);
    await expect(textOf(file)).toMatchFileSnapshot(
      join(FIXTURES, EXPECTED, `${name.replaceAll("/", "-")}.toml`),
    );
    const catalog = catalogOf(file);
    const known = verifyCatalog(catalog).filter(({ message }) => !/postgres|api|gone/.test(message));
    expect(known).toEqual([]);
    const roots = catalog.units.filter(({ disabled }) => !disabled).map((unit) => unit.name);
    const facts = { rank: 0, size: 1 };
    if (!/api\.service$/.test(name)) valueOf(plan(catalog, { request: { kind: "start", roots }, facts }));
    expect(isComplete(file)).toBe(lostLines(file).length === 0);
  });
});

test("trap-D3: healthy is requires, after and ready; completed is a task; started is a comment", () => {
  const { migrate, api } = unitsOf(imported("plain/process-compose.yaml"));
  expect(migrate).toMatchObject({ kind: "task", runlevels: ["rc1"], requires: ["db"], after: ["db"] });
  expect(api).toMatchObject({ requires: ["db", "migrate"], after: ["db", "migrate"] });
  const conditions = imported("conditions/process-compose.yaml");
  expect(unitsOf(conditions)["b"]).not.toHaveProperty("after");
  expect(lostLines(conditions)).toEqual([7, 8, 12, 13, 14, 15, 16, 17]);
});

test("a .env beside a file of process-compose is a key of each module, and a comment of each task", () => {
  const waits = "    depends_on:\n      mig:\n        condition: process_completed_successfully\n";
  const file = fromCompose(
    `processes:\n  mig:\n    command: run\n  api:\n    command: serve\n${waits}`,
    "pc.yaml",
    true,
  );
  expect(unitsOf(file)["api"]).toMatchObject({ "environment-file": ["-.env"] });
  expect(unitsOf(file)["mig"]).not.toHaveProperty("environment-file");
  const why = "environment from .env: a task has no such key";
  expect(remarksOf(file)).toContainEqual({ line: 2, text: "mig:", why, isLost: true });
  expect(isComplete(file)).toBe(false);
});

test("ready_log_line of process-compose is plain text, whatever characters it has", () => {
  const ready = (line: string): unknown =>
    unitsOf(fromCompose(`processes:\n  a:\n    command: run\n    ready_log_line: ${JSON.stringify(line)}\n`))[
      "a"
    ]?.["ready"];
  for (const line of ["[main] ready (1.5 s)", "a|b", "x{2}", "C:\\new", "^.*+?$$", "("]) {
    const { log } = ready(line) as { readonly log: string };
    const text = line.replaceAll("$$", "$");
    expect([new RegExp(log).test(`xx${text}yy`), new RegExp(log).test("other")]).toEqual([true, false]);
  }
});

describe("trap-D4: ExecStart", () => {
  const commandOf = (line: string): unknown =>
    unitsOf(importService(`[Service]\nExecStart=${line}\n`, "x.service", new Set()))["x"]?.["command"];

  test.each([
    ["/bin/a b  c", ["/bin/a", "b", "c"]],
    [`/bin/a --n='x y' "it's"`, ["/bin/a", "--n=x y", "it's"]],
    [String.raw`/bin/a \x41\102\u00e9 "\"\n" \s`, ["/bin/a", "ABé", '"\n', " "]],
    ["/bin/a $$5 pre$A 100%%", ["/bin/a", "$5", "pre$A", "100%"]],
    [":/bin/a $X ${Y}", ["/bin/a", "$X", "${Y}"]],
  ])("%s is an argv by the rules of systemd", (line, argv) => {
    expect(commandOf(line)).toEqual(argv);
  });

  test.each([
    "/bin/a $X",
    "/bin/a '${X}'",
    "/bin/a %i",
    "+/bin/a",
    "/bin/a ; /bin/b",
    String.raw`/bin/a \q`,
    "/bin/a 'x",
  ])("%s is a comment, and the unit is disabled", (line) => {
    const file = importService(`[Service]\nExecStart=${line}\n`, "x.service", new Set());
    expect(unitsOf(file)["x"]).toMatchObject({ disabled: true, command: ["false"] });
    expect(remarksOf(file)).toMatchObject([{ line: 2, text: `ExecStart=${line}`, isLost: true }]);
  });
});

describe("ExecStop", () => {
  const service = (...lines: string[]): ImportedFile =>
    importService(["[Service]", "ExecStart=/bin/a", ...lines, ""].join("\n"), "x.service", new Set());
  const stopOf = (...lines: string[]): unknown => unitsOf(service(...lines))["x"]?.["stop"];
  const lost = (...lines: string[]): number[] => lostLines(service(...lines));
  const rest = { timeout: "90s", to: "group" };

  test("is one command; each further one is a comment, and an empty value clears those above", () => {
    const command = ["/bin/one"];
    expect(stopOf("ExecStop=/bin/one", "ExecStop=/bin/two")).toMatchObject({ command });
    expect(lost("ExecStop=/bin/one", "ExecStop=/bin/two")).toEqual([4]);
    const cleared = ["ExecStop=/bin/old", "ExecStop=", "ExecStop=/bin/one"];
    expect([stopOf(...cleared), lost(...cleared)]).toEqual([{ signal: "SIGTERM", ...rest, command }, []]);
    expect([stopOf("ExecStop="), lost("ExecStop=")]).toEqual([{ signal: "SIGTERM", ...rest }, []]);
  });

  test("has the signal of KillSignal beside it", () => {
    const stop = { signal: "SIGINT", ...rest, command: ["/bin/quit"] };
    expect(stopOf("KillSignal=SIGINT", "ExecStop=-/bin/quit")).toEqual(stop);
  });

  test.each(["+/bin/quit", "!/bin/quit", "@/bin/quit name", "-+/bin/quit"])(
    "%s is a comment, because of its prefix",
    (line) => {
      expect(stopOf(`ExecStop=${line}`)).toEqual({ signal: "SIGTERM", ...rest });
      expect(lost(`ExecStop=${line}`)).toEqual([3]);
    },
  );

  test("with the prefix : has no variables", () => {
    expect(stopOf("ExecStop=:/bin/quit $X")).toMatchObject({ command: ["/bin/quit", "$X"] });
  });
});

test("trap-D5: $$ is $ once, and a variable is a comment with its default, whatever the environment holds", () => {
  const file = imported("variables/process-compose.yaml");
  const units = unitsOf(file);
  expect(units["shell"]?.["command"]).toBe('echo "costs $5" && exec sleep 1000');
  expect(units["shell"]?.["environment"]).toEqual({ A: "1", B: "$literal" });
  expect(units["interpolated"]).toMatchObject({ disabled: true, command: ["false"] });
  expect(textOf(file)).toMatch(/# .*:14: not carried over: command: "exec server .*PORT, by default 8080/);
  expect(textOf(file)).toMatch(/D=\$\{D-none\}.*by default none/);
});

test("a unit whose command is not carried over stays disabled, whatever the source says", () => {
  const text = "processes:\n  a:\n    command: run ${X}\n    disabled: false\n";
  const read = importProcessCompose(text, "pc.yaml", false);
  if (!read.ok) throw new Error("the source is sound");
  expect(unitsOf(read.value)["a"]).toMatchObject({ disabled: true, command: ["false"] });
  expect(textOf(read.value)).toContain("# pc.yaml:4: disabled: false: the unit is disabled until");
});

test("trap-D6: each line of a Procfile has its port, by a rule that is told; the .env beside it sets the first", () => {
  const ports = (name: string): unknown[] =>
    Object.values(unitsOf(imported(name))).map((unit) => unit["environment"]);
  expect(ports("node/Procfile")).toEqual([{ PORT: "5000" }, { PORT: "5100" }, { PORT: "5200" }]);
  expect(ports("rails/Procfile")).toEqual(["3000", "3100", "3200", "3300"].map((PORT) => ({ PORT })));
  expect(textOf(imported("rails/Procfile"))).toContain("# PORT of .env, plus 100 for each line");
  expect(Object.keys(unitsOf(imported("rails/Procfile")))).toEqual(["web", "worker", "worker-2", "css"]);
  const { web, api } = unitsOf(imported("node/Procfile"));
  expect([web?.["command"], api?.["command"]]).toEqual([
    "node server.js --listen '5000'",
    "PORT=$PORT node api.js > log/5100AL.log",
  ]);
});

test("trap-D7: what follows an end is always written out, by the rule of the source", () => {
  const ends = (name: string): unknown[] =>
    Object.values(unitsOf(imported(name)))
      .filter(({ kind }) => kind === "module")
      .map((unit) => [unit["on-failure"], unit["on-exit"]]);
  for (const name of NAMES) for (const end of ends(name)) expect(end).not.toContain(undefined);
  expect(ends("go/Procfile")).toEqual([["panic", "shutdown"]]);
  expect(ends("plain/process-compose.yaml")).toEqual([
    ["restart", "log"],
    ["restart", "restart"],
  ]);
  expect(ends("daemons/process-compose.yaml")).toEqual([
    ["log", "log"],
    ["panic", "shutdown"],
    ["log", "log"],
  ]);
  expect(ends("simple.service")).toEqual([["restart", "log"]]);
  const { success, restart } = unitsOf(imported("api.service"))["api"] ?? {};
  expect(success).toEqual(["SIGHUP", "SIGINT", "SIGTERM"]);
  expect(restart).toEqual({ delay: "250ms", longest: "250ms", tries: 3, within: "90s", then: "log" });
});

test("trap-D8: what goes to the background or remains is never run, and a comment asks for the foreground", () => {
  for (const [name, unit] of [
    ["forking.service", "forking"],
    ["remains.service", "remains"],
    ["daemons/process-compose.yaml", "nginx"],
  ] as const) {
    const file = imported(name);
    expect(unitsOf(file)[unit]).toMatchObject({ disabled: true, command: ["false"] });
    expect(textOf(file)).toMatch(/not carried over: .*the option that keeps the program in the foreground/);
  }
});

describe("trap-D1: each key of the source is found once, carried or in a comment with its spelling and line", () => {
  const KEYS = [
    "Description",
    "After",
    "Requires",
    "ExecStart",
    "User",
    "Restart",
    "RestartSec",
    "LimitNOFILE",
  ];
  const MORE = [
    "Environment",
    "Type",
    "KillSignal",
    "Nice",
    "ProtectHome",
    "TimeoutStopSec",
    "Odd-Key",
    "ExecStop",
  ];
  const VALUES = [
    "a.service",
    "/bin/x y",
    "%i",
    "$A",
    "5",
    "no",
    "always",
    "notify",
    "SIGINT",
    "A=1",
    "",
    "1min",
    "x'y",
  ];

  test("of a .service file", () => {
    const assignment = fc.record({
      section: fc.constantFrom("Unit", "Service", "Install", "X-Mine"),
      key: fc.constantFrom(...KEYS, ...MORE),
      value: fc.constantFrom(...VALUES),
    });
    fc.assert(
      fc.property(fc.array(assignment, { maxLength: 12 }), (assignments) => {
        const lines = assignments.flatMap(({ section, key, value }) => [`[${section}]`, `${key}=${value}`]);
        const file = importService(lines.join("\n"), "x.service", new Set(["a"]));
        catalogOf(file);
        const text = textOf(file);
        for (const [at, written] of lines.entries()) {
          if (written.startsWith("[")) continue;
          expect(placesOf(text, "x.service", at + 1, written)).toBe(true);
        }
        for (const { line, text: spelled } of remarksOf(file)) {
          if (line > 1) expect(spelled).toBe(lines[line - 1]);
        }
      }),
    );
  });

  test("of a file of process-compose", () => {
    const scalar = fc.constantFrom(
      "exec a",
      "$X",
      "x $$ y",
      "on_failure",
      "3",
      "-1",
      "true",
      "null",
      "[]",
      "{a: b}",
    );
    const process = fc.dictionary(
      fc.constantFrom(
        "command",
        "working_dir",
        "description",
        "disabled",
        "availability",
        "is_daemon",
        "odd",
        "replicas",
      ),
      scalar,
    );
    const nested = fc.dictionary(
      fc.constantFrom(
        "restart",
        "backoff_seconds",
        "exit_on_end",
        "signal",
        "timeout_seconds",
        "period_seconds",
        "k",
      ),
      scalar,
    );
    const sample = fc.record({
      top: fc.dictionary(fc.constantFrom("version", "log_level", "is_strict", "x-mine"), scalar),
      processes: fc.dictionary(fc.constantFrom("a", "b", "c d"), fc.tuple(process, nested, nested)),
    });
    fc.assert(
      fc.property(sample, ({ top, processes }) => {
        const lines = Object.entries(top).map(([key, value]) => `${key}: ${value}`);
        lines.push("processes:");
        for (const [name, [body, availability, shutdown]] of Object.entries(processes)) {
          lines.push(`  ${name}:`, '    x: "1"');
          for (const [key, value] of Object.entries(body)) lines.push(`    ${key}: ${value}`);
          for (const [key, table] of [
            ["availability", availability],
            ["shutdown", shutdown],
          ] as const) {
            if (Object.hasOwn(body, key) || Object.keys(table).length === 0) continue;
            lines.push(
              `    ${key}:`,
              ...Object.entries(table).map(([each, value]) => `      ${each}: ${value}`),
            );
          }
        }
        const file = fromCompose(lines.join("\n"));
        catalogOf(file);
        const text = textOf(file);
        for (const [at, written] of lines.entries()) {
          expect([written, placesOf(text, "process-compose.yaml", at + 1, written.trim())]).toEqual([
            written,
            true,
          ]);
        }
      }),
    );
  });

  test("of a Procfile", () => {
    const line = fc.constantFrom(
      "web: a $PORT",
      "web: b",
      "-x: c",
      "# note",
      "",
      "no line",
      "api:d",
      "w:   ",
      "a b: c",
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
        const file = importProcfile(lines.join("\n"), "Procfile", "HO=1\n");
        const catalog = catalogOf(file);
        const isProcess = (written: string): boolean => /^[\w-]+:\s*\S/.test(written);
        expect(catalog.units).toHaveLength(lines.filter(isProcess).length);
        const text = textOf(file);
        for (const [at, written] of lines.entries()) {
          if (written === "" || written.startsWith("#")) continue;
          expect(placesOf(text, "Procfile", at + 1, written.trim())).toBe(true);
        }
      }),
    );
  });
});

/** Whether a line of the source is the place of something carried, or is spelled out in a comment. */
function placesOf(text: string, file: string, line: number, written: string): boolean {
  const place = `${file}:${line}`;
  const isCarried = text
    .split("\n")
    .some(
      (each) => !each.startsWith("#") && new RegExp(`[ ,]${place.replaceAll(".", "[.]")}(?:,|$)`).test(each),
    );
  return (
    isCarried ||
    text.includes(`# ${place}: not carried over: ${written}: `) ||
    text.includes(`# ${place}: ${written}: `)
  );
}
