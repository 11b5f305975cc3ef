import type { Argument, Command, Option } from "commander";

/** A manual page: its name, and its text for man(7). */
export interface ManPage {
  readonly name: string;
  readonly text: string;
}

/** Variables that every command reads. */
const ENVIRONMENT: readonly (readonly [name: string, meaning: string])[] = [
  [
    "SLUICE_URI",
    "The URI of the instance, in the form of --uri, also nats://HOST:PORT/INSTANCE/RANK. An instance sets it for its programs.",
  ],
  [
    "SLUICE_DATADIR, SLUICE_LIBEXECDIR, SLUICE_CONFDIR",
    "Directories of shipped units, of shipped rc files, and of files of the site.",
  ],
  [
    "FLUX_MODPROBE_PATH",
    "Directories with units and rc files, separated by colons, instead of the usual ones.",
  ],
  ["FLUX_MODPROBE_PATH_APPEND", "Directories with units and rc files, after the usual ones."],
  ["FLUX_SCHED_MODULE", "With the value none, plans use no provider of sched or feasibility."],
  ["FLUX_MODPROBE_DISABLE", "Units that plans leave out. A service means all its providers."],
  ["FLUX_MODULE_PATH", "Directories in which Sluice finds modules by name, before the shipped modules."],
  ["SLUICE_DEBUG", "If set, errors include their stacks and causes."],
  ["NO_COLOR", "If set, output has no colours."],
];

const EXIT_STATUS: readonly (readonly [status: string, meaning: string])[] = [
  ["0", "The command has succeeded."],
  ["1", "The command has failed, or Sluice has refused it."],
  ["2", "Wrong usage."],
  ["3", "The command has succeeded in part."],
  ["130, 143", "SIGINT or SIGTERM ended it."],
];

/** The manual page of a command with all its subcommands, from the same definitions as its help. */
export function manPage(command: Command, version: string): ManPage {
  const name = pathOf(command).join("-");
  const program = command.parent ?? command;
  const lines = [
    `.TH ${name.toUpperCase()} 1 "" "Sluice ${version}" "Sluice manual"`,
    ".SH NAME",
    `${escaped(name)} \\- ${escaped(sentence(command).replace(/\.$/, ""))}`,
    ".SH SYNOPSIS",
    ...synopsis(command),
    ".SH DESCRIPTION",
    escaped(`${capitalised(sentence(command)).replace(/\.$/, "")}.`),
    ...listing("ARGUMENTS", command.registeredArguments.filter(isDescribed).map(argumentItem)),
    ...listing("OPTIONS", visibleOptions(command).map(optionItem)),
    ...subcommandSections(command),
    ...listing(
      "EXIT STATUS",
      EXIT_STATUS.map(([status, meaning]) => item(bold(status), meaning)),
    ),
    ...listing(
      "ENVIRONMENT",
      ENVIRONMENT.map(([variable, meaning]) => item(bold(variable), meaning)),
    ),
    ...examples(command),
    ".SH SEE ALSO",
    seeAlso(program, command),
  ];
  return { name, text: `${lines.join("\n")}\n` };
}

function pathOf(command: Command): string[] {
  const path: string[] = [];
  for (let at: Command | null = command; at !== null; at = at.parent) path.unshift(at.name());
  return path;
}

function sentence(command: Command): string {
  return command.description() || command.summary();
}

function synopsis(command: Command): string[] {
  const [program = "", ...words] = pathOf(command);
  return [`.B ${escaped([program, ...words].join(" "))}`, escaped(command.usage())];
}

function visibleOptions(command: Command): readonly Option[] {
  return command.createHelp().visibleOptions(command);
}

/** All subcommands of one page, to any depth. */
function subcommandSections(command: Command): string[] {
  const lines: string[] = [];
  const open = belowOf(command).reverse();
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    // The page of the whole program names the commands. Each command has a page of its own.
    if (command.parent === null) {
      lines.push(...item(bold(pathOf(at).join(" ")), capitalised(sentence(at))));
      continue;
    }
    lines.push(`.SS ${escaped(pathOf(at).slice(1).join(" "))}`, ...synopsis(at), ".PP");
    lines.push(escaped(`${capitalised(sentence(at))}.`));
    lines.push(...at.registeredArguments.filter(isDescribed).flatMap(argumentItem));
    lines.push(...visibleOptions(at).filter(isOwn).flatMap(optionItem));
    const shown = exampleLines(at);
    if (shown.length > 0) lines.push(".PP", "Example:", ".PP", ...verbatim(shown));
    open.push(...belowOf(at).reverse());
  }
  return lines.length === 0 ? [] : [".SH COMMANDS", ...lines];
}

function belowOf(command: Command): Command[] {
  const shown = command.createHelp().visibleCommands(command);
  return shown.filter((child) => child.name() !== "help");
}

function isOwn(option: Option): boolean {
  return option.long !== "--help";
}

function isDescribed({ description }: Argument): boolean {
  return description !== "";
}

function argumentItem(argument: Argument): string[] {
  return item(italic(argument.name()), withChoices(argument.description, argument.argChoices));
}

function optionItem(option: Option): string[] {
  const { description, argChoices, defaultValueDescription } = option;
  const value: unknown = option.defaultValue;
  const isShown = typeof value === "string" || typeof value === "number";
  const usual = isShown ? ` (default: ${defaultValueDescription ?? value})` : "";
  return item(bold(option.flags), withChoices(description, argChoices) + usual);
}

function withChoices(description: string, choices: readonly string[] | undefined): string {
  return choices === undefined ? description : `${description}: ${choices.join(", ")}`;
}

function examples(command: Command): string[] {
  const lines = exampleLines(command);
  return lines.length === 0 ? [] : [".SH EXAMPLES", ...verbatim(lines)];
}

/** The end of a command's help, without the heading. */
function exampleLines(command: Command): string[] {
  let help = "";
  command.configureOutput({ writeOut: (part) => void (help += part) }).outputHelp();
  const [, after = ""] = help.split(/^Examples?:$/m);
  const lines = after.split("\n").filter((line) => line.trim() !== "");
  return lines.map((line) => line.replace(/^ {2}/, ""));
}

function verbatim(lines: readonly string[]): string[] {
  return [".RS 4", ".nf", ...lines.map(escaped), ".fi", ".RE"];
}

function seeAlso(program: Command, command: Command): string {
  const names = [program, ...belowOf(program)].filter((page) => page !== command);
  return names.map((page) => `.BR ${escaped(pathOf(page).join("-"))} (1)`).join(" ,\n");
}

function listing(title: string, items: readonly (readonly string[])[]): string[] {
  return items.length === 0 ? [] : [`.SH ${title}`, ...items.flat()];
}

function item(head: string, text: string): string[] {
  return [".TP", head, escaped(capitalised(text))];
}

function bold(text: string): string {
  return `\\fB${escaped(text)}\\fR`;
}

function italic(text: string): string {
  return `\\fI${escaped(text)}\\fR`;
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Text in the form of roff: no command at the start of a line, hyphens that can be copied. */
function escaped(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^(?=[.'])/gm, "\\&");
}
