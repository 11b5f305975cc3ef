import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Command } from "commander";
import { isErrno, systemMessage } from "../errors/index.js";
import {
  fragmentLines,
  type ImportedFile,
  importProcessCompose,
  importProcfile,
  importService,
  isComplete,
  serviceName,
} from "../units/foreign/index.js";
import { ExitError, printLine, say, sayDiagnostics } from "./terminal/output.js";

const PREFIX = "sluice-import";

export function command(): Command {
  return new Command("import")
    .argument("<file...>", "a Procfile, files of process-compose, or .service files of systemd")
    .addHelpText(
      "after",
      "\nWrites a fragment to standard output. A key without an equivalent becomes a comment with its line, and makes the status 3." +
        "\n\nExample:\n  sluice import Procfile > stack.toml",
    )
    .action(importFiles);
}

async function importFiles(files: readonly string[]): Promise<void> {
  const siblings = new Set(files.filter((file) => file.endsWith(".service")).map(serviceName));
  const imported: ImportedFile[] = [];
  for (const file of files) {
    const text = await readText(file);
    imported.push(await importFile(file, text, siblings));
  }
  refuseDoubles(imported);
  for (const [at, each] of imported.entries()) {
    if (at > 0) printLine("");
    for (const line of fragmentLines(each)) printLine(line);
  }
  if (imported.every(isComplete)) return;
  throw new ExitError(3, "the comments list the keys that are not carried over");
}

/** @throws ExitError for a file of another kind, or one that is invalid in its format */
async function importFile(file: string, text: string, siblings: ReadonlySet<string>): Promise<ImportedFile> {
  const name = basename(file);
  const dotenv = async (): Promise<string | undefined> => readIfThere(join(dirname(file), ".env"));
  if (name.endsWith(".service")) return importService(text, file, siblings);
  if (/^Procfile\b|\.procfile$/i.test(name)) return importProcfile(text, file, await dotenv());
  if (/\.ya?ml$/.test(name)) {
    const read = importProcessCompose(text, file, (await dotenv()) !== undefined);
    if (read.ok) return read.value;
    sayDiagnostics(read.diagnostics, PREFIX);
    throw new ExitError(1);
  }
  throw new ExitError(
    1,
    `${file}: not a Procfile, a .yaml file of process-compose, or a .service file of systemd`,
  );
}

async function readText(file: string): Promise<string> {
  const text = await readIfThere(file);
  if (text === undefined) throw new ExitError(1, `${file}: No such file or directory`);
  return text;
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw new ExitError(1, `${file}: ${systemMessage(error)}`);
  }
}

/** Two units of one name would become one changed unit. */
function refuseDoubles(imported: readonly ImportedFile[]): void {
  const owners = new Map<string, string>();
  let isRefused = false;
  for (const { file, units } of imported) {
    for (const { name, source } of units) {
      const owner = owners.get(name);
      const place = `${file}:${source.line}`;
      if (owner === undefined) owners.set(name, place);
      else {
        say(`${PREFIX}: ${place}: ${name} is defined in ${owner} already`);
        isRefused = true;
      }
    }
  }
  if (isRefused) throw new ExitError(1);
}
