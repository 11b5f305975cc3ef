import type { Argument, Command, Option } from "commander";
import { type Answer, type Candidate, NOTHING } from "./complete-answer.js";
import { valuesOf } from "./complete-values.js";
import type { MakeProgram } from "../lazy.js";

/** The place of the cursor: in a command, after a number of its arguments, or in the value of one of its options. */
interface Place {
  readonly command: Command;
  readonly argumentCount: number;
  /** The option whose value comes next. */
  readonly option: Option | undefined;
  /** After `--`, or after the first argument of a command that passes on the remaining ones: no options any more. */
  readonly onlyArguments: boolean;
  /** The words that belong to the command before the cursor, without options. */
  readonly given: readonly string[];
  /** The values of `--file` before the cursor. */
  readonly files: readonly string[];
}

/**
 * The candidates at the cursor.
 * @param words the words typed after the command's name, the last word begun or empty
 * @param program makes the command line for the given words
 * @param tell called with the error that prevented the lookup of names
 */
export async function answer(
  words: readonly string[],
  program: MakeProgram,
  tell: (problem: unknown) => void,
): Promise<Answer> {
  const before = words.slice(0, -1);
  const begun = words.at(-1) ?? "";
  const root = await program(before);
  const place = placeOf(root, before);
  const inner = innerCommand(root, place, before);
  if (inner !== undefined) return answer([...inner, begun], program, tell);
  return candidates(place, begun, tell);
}

/** The words after our own name on a line that runs another command: `start sluice module …`. */
function innerCommand(
  root: Command,
  { onlyArguments, given }: Place,
  before: readonly string[],
): string[] | undefined {
  if (!onlyArguments || given[0] !== root.name()) return undefined;
  return before.slice(before.lastIndexOf(root.name()) + 1);
}

async function candidates(place: Place, begun: string, tell: (problem: unknown) => void): Promise<Answer> {
  const { command, option, onlyArguments, argumentCount, given, files } = place;
  if (option !== undefined)
    return startingWith(begun, await valuesOf({ source: option, begun, given: [], files, tell }));
  if (!onlyArguments && begun.startsWith("-")) {
    const equals = begun.indexOf("=");
    if (equals === -1) return startingWith(begun, { ...NOTHING, candidates: optionNames(command, begun) });
    const named = findOption(command, begun.slice(0, equals));
    const value = begun.slice(equals + 1);
    if (named === undefined) return NOTHING;
    const found = startingWith(
      value,
      await valuesOf({ source: named, begun: value, given: [], files, tell }),
    );
    return prefixed(begun.slice(0, equals + 1), found);
  }
  const argument = argumentAt(command, argumentCount);
  const values =
    argument === undefined ? NOTHING : await valuesOf({ source: argument, begun, given, files, tell });
  const below = argumentCount === 0 ? subcommands(command) : [];
  return startingWith(begun, { ...values, candidates: [...below, ...values.candidates] });
}

/** Answers are whole words. File names after `=` need more than all shells support. */
function prefixed(prefix: string, answer: Answer): Answer {
  const candidates = answer.candidates.map(({ value, ...rest }) => ({ value: `${prefix}${value}`, ...rest }));
  return { ...answer, candidates };
}

function startingWith(begun: string, answer: Answer): Answer {
  return { ...answer, candidates: answer.candidates.filter(({ value }) => value.startsWith(begun)) };
}

/** Follows the words to the command at the cursor. */
function placeOf(root: Command, words: readonly string[]): Place {
  let command = root;
  let given: string[] = [];
  let option: Option | undefined;
  let onlyArguments = false;
  const files: string[] = [];
  for (const word of words) {
    if (option !== undefined && !(option.optional && word.startsWith("-"))) {
      if (option.long === "--file") files.push(word);
      option = undefined;
      continue;
    }
    option = undefined;
    if (!onlyArguments && word === "--") {
      onlyArguments = true;
    } else if (!onlyArguments && word.startsWith("-") && word !== "-") {
      option = awaitingValue(command, word);
      if (word.startsWith("--file=")) files.push(word.slice("--file=".length));
    } else {
      const next = given.length === 0 ? subcommand(command, word) : undefined;
      if (next === undefined) given.push(word);
      else [command, given] = [next, []];
      // The library does not publish this setting. A variadic last argument named `args` or `command` has it.
      onlyArguments ||= next === undefined && passesOn(command, given.length);
    }
  }
  return { command, argumentCount: given.length, option, onlyArguments, given, files };
}

/** Names of the arguments that take another command line, whose options are not ours. */
const PASSED_ON = new Set(["args", "command"]);

function passesOn(command: Command, argumentCount: number): boolean {
  const last = command.registeredArguments.at(-1);
  return last?.variadic === true && PASSED_ON.has(last.name()) && argumentCount > 0;
}

/** The option of a word whose value is the next word. */
function awaitingValue(command: Command, word: string): Option | undefined {
  if (word.startsWith("--")) {
    return word.includes("=") ? undefined : takesValue(findOption(command, word));
  }
  // Letters in one word, as in `-vS`: the first option that takes a value takes the rest of the word.
  for (let i = 1; i < word.length; i++) {
    const option = takesValue(findOption(command, `-${word[i]}`));
    if (option !== undefined) return i === word.length - 1 ? option : undefined;
  }
  return undefined;
}

function takesValue(option: Option | undefined): Option | undefined {
  return option !== undefined && (option.required || option.optional) ? option : undefined;
}

function findOption(command: Command, flag: string): Option | undefined {
  return command.options.find(({ short, long }) => short === flag || long === flag);
}

function subcommand(command: Command, word: string): Command | undefined {
  return command.commands.find((child) => child.name() === word || child.aliases().includes(word));
}

function subcommands(command: Command): Candidate[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .map((child) => ({ value: child.name(), description: child.summary() || child.description() }));
}

/** Long names; if only a dash was typed, also the short ones. */
function optionNames(command: Command, begun: string): Candidate[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .flatMap(({ long, short, description }) => {
      const names = [long, begun === "-" ? short : undefined];
      return names.flatMap((value) => (value === undefined ? [] : [{ value, description }]));
    });
}

function argumentAt(command: Command, index: number): Argument | undefined {
  const known = command.registeredArguments;
  const last = known.at(-1);
  return known[index] ?? (last?.variadic === true ? last : undefined);
}
