import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Diagnostic } from "../errors/index.js";
import { defaultDirectories, type Env, rcSearchPath, type Runlevel } from "../units/index.js";
import { isRcFile } from "./rc-files.js";
import { entriesOf, isExecutable } from "./unread-files.js";

/**
 * Executable files of `rcN.d` that nothing runs: those of the search path, of the configuration directory and of
 * `FLUX_RC_EXTRA`. An rc file that calls `run_all_rc_scripts(N)` runs the latter two. Warning: `UNIT_NOT_READ`.
 * @param files the rc files of the phase
 */
export function idleScriptWarnings(env: Env, runlevel: Runlevel, files: readonly string[]): Diagnostic[] {
  const directories = defaultDirectories(env);
  const extra = (env["FLUX_RC_EXTRA"] ?? "").split(":").filter(Boolean);
  const byCall = files.some((file) => callsScripts(file, runlevel)) ? [] : [directories.confDir, ...extra];
  const all = [...new Set([...rcSearchPath(env, directories), ...byCall])];
  return all
    .flatMap((directory) => scriptsIn(join(directory, `${runlevel}.d`)))
    .map((file) => idle(file, runlevel));
}

function callsScripts(file: string, runlevel: Runlevel): boolean {
  if (!file.endsWith(".py")) return false;
  const call = new RegExp(`run_all_rc_scripts\\(\\s*(?:runlevel\\s*=\\s*)?${runlevel.slice(2)}\\b`);
  return call.test(readFileSync(file, "utf8"));
}

function scriptsIn(directory: string): string[] {
  return (entriesOf(directory) ?? [])
    .filter((entry) => !entry.name.startsWith(".") && !isRcFile(entry.name) && isExecutable(entry))
    .map((entry) => join(directory, entry.name));
}

function idle(file: string, runlevel: Runlevel): Diagnostic {
  const name = basename(file)
    .replace(/\..*$/, "")
    .replace(/[^A-Za-z0-9_@:+-]/g, "-");
  return {
    code: "UNIT_NOT_READ",
    severity: "warning",
    message: "is not run",
    location: { file, line: 1, column: 1, endLine: 1, endColumn: 1 },
    related: [],
    hint: `write into an rc file of ${runlevel}.d: tasks = [{ name = "${name}", command = [${JSON.stringify(file)}] }]`,
  };
}
