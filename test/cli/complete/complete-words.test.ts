import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sluiceProgram } from "../../../src/cli/commands.js";
import { answer } from "../../../src/cli/complete/complete-words.js";
import { COMPLETED_PLACEHOLDERS, placeholderOf } from "../../../src/cli/complete/complete-values.js";

const problems: unknown[] = [];

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "sluice-complete-"));
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

/** What may stand at the end of a line; `|` is the end. */
async function complete(line: string): Promise<readonly string[]> {
  const { candidates } = await answer(line.split(" "), sluiceProgram, (problem) => problems.push(problem));
  return candidates.map(({ value }) => value);
}

/** Every command there is, and those below it. */
async function everyCommand(): Promise<Command[]> {
  const all = [await sluiceProgram("all")];
  for (const command of all) all.push(...command.commands);
  return all;
}

describe("what may come next", () => {
  test("is a command, then a command below it", async () => {
    expect(await complete("modp")).toEqual(["modprobe"]);
    expect(await complete("module re")).toEqual(["reload", "restart", "remove"]);
  });

  test("hides what people do not type", async () => {
    expect(await complete("complet")).toEqual(["completion"]);
    expect(await complete("man-")).toEqual([]);
  });

  test("is an option by its long name, the short ones too after one dash", async () => {
    expect(await complete("module list --")).toEqual([
      "--uri",
      "--rank",
      "--long",
      "--all",
      "--json",
      "--help",
    ]);
    expect(await complete("module list -")).toContain("-l");
    expect(await complete("module list --lo")).toEqual(["--long"]);
  });

  test("is a choice of an option, as the next word, after an equals sign and after letters in one word", async () => {
    expect(await complete("module stats --type ")).toEqual(["int", "double"]);
    expect(await complete("module stats --type=d")).toEqual(["--type=double"]);
    expect(await complete("module stats -ct i")).toEqual(["int"]);
  });

  test("is not the value of an option that has it already", async () => {
    expect(await complete("module list --uri x --js")).toEqual(["--json"]);
    expect(await complete("module list --uri=x --js")).toEqual(["--json"]);
  });

  test("is no option after two dashes, nor one of ours after a command that is run", async () => {
    expect(await complete("modprobe load -- --dry")).toEqual([]);
    expect(await complete("start sh -")).toEqual([]);
  });

  test("is that of our own command that another one runs", async () => {
    expect(await complete("start -S a=b sluice module rem")).toEqual(["remove"]);
  });

  test("is a unit or a service that was not named yet", async () => {
    expect(await complete("modprobe show content-s")).toEqual(["content-sqlite"]);
    expect(await complete("modprobe explain content")).toContain("content-backing");
    expect(await complete("modprobe explain content-sqlite content-s")).toEqual([]);
  });

  test("is a group of the files on the line, by its name or in place of units", async () => {
    const file = join(directory, "stack.toml");
    writeFileSync(file, '[[modules]]\nname = "api"\ngroups = ["web", "all"]\n');
    expect(await complete(`start -f ${file} --group `)).toEqual(["all", "web"]);
    expect(await complete(`modprobe load --file=${file} `)).toEqual(["api", "@all", "@web"]);
    expect(await complete(`modprobe explain --file ${file} @all @`)).toEqual(["@web"]);
  });

  test("is a provider after its service", async () => {
    expect(await complete("modprobe plan -S content-b")).toEqual(["content-backing="]);
    expect(await complete("modprobe plan --set-alternative=content-backing=content-s")).toEqual([
      "--set-alternative=content-backing=content-sqlite",
    ]);
  });

  test("is a further type of messages after the comma", async () => {
    expect(await complete("module trace -t resp")).toEqual(["response"]);
    expect(await complete("module trace --type=response,ev")).toEqual(["--type=response,event"]);
  });

  test("is nothing, and no error, where there is no instance to ask", async () => {
    problems.length = 0;
    expect(await complete("module stats a")).toEqual([]);
    expect(problems).toHaveLength(1);
  });
});

/** Placeholders for which only the user knows what to type. */
const OWN_WORDS = new Set([
  ...[
    "a",
    "b",
    "bit",
    "duration",
    "size",
    "event",
    "factor",
    "glob",
    "host",
    "job",
    "json",
    "key.key",
    "key=value",
    "mask",
    "n",
    "name",
  ],
  ...[
    "name=value",
    "rank",
    "ranks",
    "unit=factor",
    "ranks:name=value",
    "name|path",
    "seconds",
    "seed",
    "system",
    "setting",
    "topic",
    "uri",
    "value",
    "whose",
    "words",
  ],
]);

test("each placeholder says what stands for it, or is known to be the user's own word", async () => {
  const unknown = (await everyCommand()).flatMap((command) =>
    [...command.registeredArguments, ...command.options.filter(({ hidden }) => !hidden)]
      .filter((source) => source.argChoices === undefined)
      .map(placeholderOf)
      .filter((name) => name !== "" && !OWN_WORDS.has(name) && !COMPLETED_PLACEHOLDERS.includes(name))
      .map((name) => `${command.name()} <${name}>`),
  );
  expect(unknown).toEqual([]);
});

test("each command that a person runs has an example in its help", async () => {
  const without: string[] = [];
  for (const command of await everyCommand()) {
    let help = "";
    command.configureOutput({ writeOut: (text) => void (help += text) }).outputHelp();
    const isForPeople = !["complete", "man-pages", "help"].includes(command.name());
    if (isForPeople && !/^Examples?:$/m.test(help)) without.push(command.name());
  }
  expect(without).toEqual([]);
});
