import { type ImportedFile, type Remark, type SourceKey, unitName, UnitSketch } from "./sketch.js";

const BASE_PORT = 5000;
const PORT_STEP = 100;

/**
 * Reads a Procfile by the rules of foreman: a name, a colon and a line for the shell. All processes run. The
 * first that ends stops the others (docs/design/programs.md §2).
 * @param dotenv text of the `.env` beside it, if there is one: it sets the first port, and what `$NAME` stands for
 */
export function importProcfile(text: string, file: string, dotenv: string | undefined): ImportedFile {
  const variables = readDotenv(dotenv ?? "");
  const units: UnitSketch[] = [];
  const remarks: Remark[] = [];
  const names = new Set<string>();
  const base = Number.parseInt(variables.get("PORT") ?? "", 10) || BASE_PORT;
  for (const [at, written] of text
    .replace(/^\ufeff/, "")
    .split(/\r?\n/)
    .entries()) {
    const source: SourceKey = { line: at + 1, text: written.trim() };
    if (source.text === "" || source.text.startsWith("#")) continue;
    const [, name, command] = /^([A-Za-z0-9_-]+):\s*(\S.*)$/.exec(written) ?? [];
    if (name === undefined || command === undefined) {
      remarks.push({ ...source, why: "not a line of a process; foreman ignores the line", isLost: true });
      continue;
    }
    const unit = new UnitSketch(unitName(name, names), source);
    units.push(unit);
    if (unit.name !== name) unit.say(source, `called ${unit.name} here`);
    const port = String(base + (units.length - 1) * PORT_STEP);
    unit.set("command", withPort(command, port), source);
    const from = variables.has("PORT") ? "PORT of .env" : String(BASE_PORT);
    unit.setByRule("environment", { PORT: port }, `${from}, plus ${PORT_STEP} for each line`);
    if (dotenv !== undefined) unit.setByRule("environment-file", ["-.env"], "foreman reads this file");
    unit.setByRule("stop", { timeout: "5s" }, "foreman waits for this time");
    unit.setByRule("on-failure", "panic", "foreman stops all processes when one process ends");
    unit.setByRule("on-exit", "shutdown", "foreman stops all processes when one process ends");
    for (const variable of variables.keys()) {
      if (variable === "PORT" || isOfTheShell(command, variable)) continue;
      unit.lose(source, `foreman, but not the shell, puts the value of ${variable} in place of $${variable}`);
    }
  }
  return { file, units, remarks };
}

/** The variables of `.env` as foreman reads them, for lines that depend on their values. */
function readDotenv(text: string): ReadonlyMap<string, string> {
  const variables = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const [, name, value] = /^([A-Za-z_0-9]+)=(.*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) continue;
    variables.set(name, value.replace(/^(["'])(.*)\1$/, "$2"));
  }
  return variables;
}

/** Foreman also replaces `$PORT` in places where the shell would not: in quotes, and in longer names. */
function withPort(command: string, port: string): string {
  return replaceHidden(command, "PORT", port);
}

/** Whether the shell replaces each `$NAME` of a line as foreman does. */
function isOfTheShell(command: string, name: string): boolean {
  return replaceHidden(command, name, "") === command;
}

function replaceHidden(command: string, name: string, value: string): string {
  let quote = "";
  let replaced = "";
  for (let at = 0; at < command.length; at++) {
    const character = command[at] ?? "";
    if (quote === "") {
      if (character === "\\") {
        replaced += character + (command[++at] ?? "");
        continue;
      }
      if (character === "'" || character === '"') quote = character;
    } else if (character === quote) quote = "";
    const isNamed = command.startsWith(`$${name}`, at);
    const isHidden = quote === "'" || /\w/.test(command[at + name.length + 1] ?? "");
    if (isNamed && isHidden) {
      replaced += value;
      at += name.length;
    } else replaced += character;
  }
  return replaced;
}
