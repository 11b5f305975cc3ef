/** What commands print with `--json`, and what files of Sluice hold, against the schemas that the package has. */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import type { Command } from "commander";
import { parse } from "smol-toml";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sluiceProgram } from "../../src/cli/commands.js";
import { Sandbox } from "../helpers/sluice.js";

const CHECKOUT = resolve(import.meta.dirname, "../..");
const SCHEMAS = join(CHECKOUT, "schema");
const BASE = "https://sluice.example/schema/";

/** The name in the schema → words of command lines, run in this order in an instance of two ranks. */
const INSIDE: readonly (readonly [string, string])[] = [
  ["getattr", "getattr --json size"],
  ["getattr", "getattr --json -r all rank"],
  ["lsattr", "lsattr --json"],
  ["uptime", "uptime --json"],
  ["instances", "instances --json"],
  ["status", "status --json"],
  ["overlay-status", "overlay status --json"],
  ["waits", "waits --json"],
  ["ping", "ping -c 2 -i 0.01 --json kvs"],
  ["ping", "ping -c 1 -r all --json broker"],
  ["dmesg", "dmesg --json"],
  ["dmesg", "dmesg --json -r all"],
  ["kvs-put", "kvs put --json a.b=1 c=2"],
  ["kvs-dir", "kvs dir -R --json"],
  ["kvs-watch", "kvs watch -c 1 --json a.b"],
  ["kvs-watch", "kvs watch -c 1 --json no.such"],
  ["kvs-unlink", "kvs unlink --json c"],
  ["kvs-checkpoint-make", "kvs checkpoint make --json"],
  ["kvs-checkpoint-list", "kvs checkpoint list --json"],
  ["kvs-restore", "kvs restore --json --checkpoint 1"],
  ["event-pub", `event pub --json site.alarm '{"rack":4}'`],
  ["event-sub", "event sub -c 1 --json 'heartbeat.*'"],
  ["cron-list", "cron add --interval 3600 hourly true && sluice cron list --json"],
  ["module-list", "module list --json"],
  ["module-list", "module list --json -r all"],
  ["module-trace", "module trace -c 2 --json"],
  ["module-trace", "module trace -c 2 --full --json -r all"],
  ["top", "top --json"],
  ["top", "top --json -r all"],
  ["modprobe-load", "modprobe load --json speaker"],
  ["modprobe-learn", "modprobe learn --json"],
  ["logs", "logs --json -f speaker | head -1"],
  ["logs", "logs --stats --json speaker"],
  ["modprobe-apply", "modprobe apply --dry-run --json"],
  ["modprobe-remove", "modprobe remove --json speaker"],
  ["modprobe-run", "modprobe run --json --keep-going tasks.toml || true"],
  ["modprobe-rc1", "modprobe rc1 --json"],
  ["modprobe-rc3", "modprobe rc3 --json"],
];

/** The same, when the instance has ended. */
const OUTSIDE: readonly (readonly [string, string])[] = [
  ["config-builtin", "config builtin --json"],
  ["config-builtin", "config builtin --json schemadir"],
  ["kvs-fsck", "kvs fsck --json state"],
  ["module-info", "module info --json kvs"],
  ["module-info", `module info --json ${CHECKOUT}/examples/batch/modules/scheds.ts`],
  ["module-kinds", "module kinds --json"],
  [
    "module-kinds",
    `module kinds --diff --json ${CHECKOUT}/etc/kinds/sched.json ${CHECKOUT}/etc/kinds/sched.json`,
  ],
  [
    "module-certify",
    `module certify --json --kind sched ${CHECKOUT}/examples/batch/modules/scheds.ts#sched-fifo`,
  ],
  ["modprobe-explain", "modprobe explain --json kvs content-files content-backing"],
  ["modprobe-plan", "modprobe plan --json"],
  ["modprobe-plan", "modprobe plan --json --matrix --size 4"],
  ["modprobe-plan", "modprobe plan --size 4 --lock plan.lock && cat plan.lock"],
  ["modprobe-diff", "modprobe diff --json 0 1 --size 16"],
  ["modprobe-verify", "modprobe verify --json"],
  ["modprobe-analyze", "modprobe analyze --json --statedir state"],
  ["modprobe-analyze-blame", "modprobe analyze blame --json --statedir state"],
  ["modprobe-analyze-critical-chain", "modprobe analyze critical-chain --json --statedir state"],
  ["modprobe-analyze-plot", "modprobe analyze plot --json --statedir state"],
  ["modprobe-analyze-what-if", "modprobe analyze what-if --jobs 2 --json --statedir state"],
  ["shuffle", "shuffle -n 1 --json true"],
];

const SPEAKER = `[[modules]]
name = "speaker"
command = "echo hello; exec sleep 1000"
`;

/** One ends, one fails, one is skipped. */
const TASKS = `load = ["one", "two", "three"]

[[tasks]]
name = "one"
command = "true"

[[tasks]]
name = "two"
command = "false"

[[tasks]]
name = "three"
command = "true"
requires = ["two"]
after = ["two"]
`;

const ajv = new Ajv2020({ allErrors: true, strict: true, strictRequired: false, allowUnionTypes: true });
for (const file of readdirSync(SCHEMAS)) ajv.addSchema(schemaIn(file));

function schemaIn(file: string): { readonly properties?: Readonly<Record<string, unknown>> } {
  return JSON.parse(readFileSync(join(SCHEMAS, file), "utf8")) as { properties?: Record<string, unknown> };
}

/** One JSON document, or one a line. */
function documentsIn(text: string): unknown[] {
  try {
    return [JSON.parse(text)];
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown);
  }
}

/** What a schema finds wrong with a text. */
function problemsOf(reference: string, text: string): unknown[] {
  const check = ajv.getSchema(`${BASE}${reference}`);
  if (check === undefined) return [`there is no schema ${reference}`];
  return documentsIn(text).flatMap((document) => (check(document) === true ? [] : [check.errors, document]));
}

function withJson(command: Command, words: readonly string[]): string[] {
  const own = command.options.some(({ long }) => long === "--json") ? [words.join("-")] : [];
  return [...own, ...command.commands.flatMap((child) => withJson(child, [...words, child.name()]))];
}

let box: Sandbox;
const printed = new Map<string, string>();

/** Each command's output in a file of its own. */
function script(lines: readonly (readonly [string, string])[]): string {
  return lines
    .map(
      ([name, words], at) =>
        `{ sluice ${words}; } > out.${name}.${at} || echo "status $? of ${words.replaceAll(/["'$]/g, "")}"`,
    )
    .join("\n");
}

beforeAll(async () => {
  box = new Sandbox();
  box.write("tasks.toml", TASKS);
  box.write("modprobe.d/speaker.toml", SPEAKER);
  const env = { FLUX_MODPROBE_PATH_APPEND: box.dir, HOME: box.dir };
  box.write("inside.sh", script(INSIDE));
  const inside = await box.run(["start", "-s", "2", "-S", `statedir=${box.dir}/state`, "bash", "inside.sh"], {
    env,
  });
  expect(inside).toMatchObject({ status: 0, stdout: "", stderr: expect.any(String) as string });
  readOutputs(INSIDE);
  const outside = await box.shell(`cd ${box.dir}\n${script(OUTSIDE)}`, env);
  expect(outside).toMatchObject({ status: 0, stdout: "", stderr: expect.any(String) as string });
  readOutputs(OUTSIDE);
}, 300_000);

function readOutputs(lines: readonly (readonly [string, string])[]): void {
  for (const [at, [name, words]] of lines.entries()) {
    printed.set(words, readFileSync(join(box.dir, `out.${name}.${at}`), "utf8"));
  }
}

afterAll(() => {
  box.remove();
});

describe("the schema of outputs", () => {
  test("has an entry for each command with --json, and no other", async () => {
    const commands = withJson(await sluiceProgram("all"), []);
    expect(commands.length).toBeGreaterThan(40);
    expect(Object.keys(schemaIn("outputs.schema.json").properties ?? {}).toSorted()).toEqual(
      commands.toSorted(),
    );
    expect(new Set([...INSIDE, ...OUTSIDE].map(([name]) => name))).toEqual(new Set(commands));
  });

  test.each([...INSIDE, ...OUTSIDE])("%s describes what 'sluice %s' prints", (name, words) => {
    const text = printed.get(words) ?? "";
    expect(text).not.toBe("");
    expect(problemsOf(`outputs.schema.json#/properties/${name}`, text)).toEqual([]);
  });

  test("refuses what no command prints", () => {
    for (const [name] of [...INSIDE, ...OUTSIDE]) {
      expect(problemsOf(`outputs.schema.json#/properties/${name}`, "[17]")).not.toEqual([]);
    }
  });
});

test("the schema of recorded runs describes each line of the runs in a state directory", () => {
  const runs = readdirSync(join(box.dir, "state/runs-0"));
  expect(runs.length).toBeGreaterThan(1);
  for (const run of runs) {
    const text = readFileSync(join(box.dir, "state/runs-0", run), "utf8");
    expect(problemsOf("run-record.schema.json", text)).toEqual([]);
  }
});

test("the schema of rc files takes one that the program has run, and refuses a wrong one", () => {
  const file = parse(TASKS);
  const problems = (content: object): unknown[] => problemsOf("rc-file.schema.json", JSON.stringify(content));
  expect(problems({ $schema: `${BASE}rc-file.schema.json`, ...file })).toEqual([]);
  expect(problems({ ...file, load: [7] })).not.toEqual([]);
  expect(problems({ ...file, remove: "kvs" })).not.toEqual([]);
});

test("each schema has an id of its own name and the dialect that it is written in", () => {
  for (const file of readdirSync(SCHEMAS)) {
    expect(schemaIn(file)).toMatchObject({
      $schema: "https://json-schema.org/draft/2020-12/schema",
      $id: `${BASE}${file}`,
    });
  }
});
