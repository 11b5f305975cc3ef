import { type Dirent, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { type Diagnostic, isErrno } from "../errors/index.js";
import {
  defaultDirectories,
  type Directories,
  type Env,
  formatOf,
  rcSearchPath,
  type Runlevel,
  RUNLEVELS,
  unitSearchPath,
} from "../units/index.js";
import { isRcFile } from "./rc-files.js";

const PATH_VARIABLES = ["FLUX_MODPROBE_PATH_PREPEND", "FLUX_MODPROBE_PATH", "FLUX_MODPROBE_PATH_APPEND"];
const PARTS = ["modprobe.d", ...RUNLEVELS.map((runlevel) => `${runlevel}.d`)];
const UNIT_FILE_NAMES = "the names of unit files end in .toml, .yaml or .yml";
const RC_FILE_NAMES = "the names of rc files end in .ts, .js, .py, .toml or .yaml";

/**
 * Files that Sluice never reads because of their place or name, although a user may expect it. Executable files of
 * `rcN.d` are not among them: see {@link idleScriptWarnings}. Warning: `UNIT_NOT_READ`.
 */
export function unreadFileWarnings(env: Env): Diagnostic[] {
  const directories = defaultDirectories(env);
  const unitPath = unitSearchPath(env, directories);
  const rcPath = rcSearchPath(env, directories);
  return [
    ...PATH_VARIABLES.flatMap((variable) => wrongDirectories(variable, env[variable] ?? "")),
    ...unitPath.flatMap((directory) => misnamed(join(directory, "modprobe.d"), isUnitFile, UNIT_FILE_NAMES)),
    ...rcPath.flatMap((directory) =>
      RUNLEVELS.flatMap((runlevel) =>
        misnamed(
          join(directory, `${runlevel}.d`),
          (entry) => isRcFile(entry.name) || isExecutable(entry),
          RC_FILE_NAMES,
        ),
      ),
    ),
    ...misplaced([...new Set([...unitPath, ...rcPath])], directories),
  ];
}

function wrongDirectories(variable: string, value: string): Diagnostic[] {
  return value
    .split(":")
    .map((entry) => entry.trim())
    .filter(Boolean)
    .flatMap((directory) => {
      const names = entriesOf(directory)?.map(({ name }) => name);
      if (names === undefined) return [unread(undefined, `${variable}: ${directory} does not exist`)];
      if (names.some((name) => PARTS.includes(name))) return [];
      const message = `${variable}: ${directory} has none of ${PARTS.join(", ")}`;
      return [unread(undefined, message, levelOff(directory, names))];
    });
}

/** The directory that the user probably meant, if it is one level up or down. */
function levelOff(directory: string, names: readonly string[]): string | undefined {
  if (PARTS.includes(basename(resolve(directory)))) return `name the directory above: ${dirname(directory)}`;
  const below = names.find((name) =>
    entriesOf(join(directory, name))?.some((entry) => PARTS.includes(entry.name)),
  );
  return below === undefined ? undefined : `did you mean '${join(directory, below)}'?`;
}

function misnamed(directory: string, isRead: (entry: Dirent) => boolean, hint: string): Diagnostic[] {
  return (entriesOf(directory) ?? [])
    .filter((entry) => !entry.isDirectory() && !isRead(entry) && !isNoUnitByIntent(entry.name))
    .map((entry) => unread(join(directory, entry.name), "is not read", hint));
}

/** Only the shipped directory has whole files. A site has directories of them. */
function misplaced(path: readonly string[], { dataDir, libexecDir }: Directories): Diagnostic[] {
  const shipped = [dataDir, libexecDir].map((directory) => resolve(directory, "modprobe"));
  return path
    .filter((directory) => !shipped.includes(resolve(directory)))
    .flatMap((directory) =>
      (entriesOf(directory) ?? []).flatMap(({ name }) => {
        const runlevel = RUNLEVELS.find((each) => name.startsWith(`${each}.`) && isRcFile(name));
        const part = name === "modprobe.toml" ? "modprobe.d" : runlevel && `${runlevel}.d`;
        if (part === undefined) return [];
        return [unread(join(directory, name), "is not read", `move the file into ${join(directory, part)}`)];
      }),
    );
}

function isUnitFile({ name }: Dirent): boolean {
  const format = formatOf(name);
  return format === "toml" || format === "yaml";
}

/** Hidden files, backups of editors, declarations, and notes for people. */
function isNoUnitByIntent(name: string): boolean {
  return /^\.|~$|^README|\.md$|\.d\.[cm]?ts$/.test(name);
}

/** Whether a file of a directory is executable. */
function isExecutable(entry: Dirent): boolean {
  try {
    const status = statSync(join(entry.parentPath, entry.name));
    return status.isFile() && (status.mode & 0o111) !== 0;
  } catch (error) {
    if (error instanceof Error && "code" in error) return false;
    throw error;
  }
}

/** In byte order; undefined if the directory is missing. The code that reads a directory reports it as unreadable. */
function entriesOf(directory: string): Dirent[] | undefined {
  try {
    const entries = readdirSync(directory, { withFileTypes: true });
    return entries.sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
  } catch (error) {
    if (isErrno(error, "ENOENT") || isErrno(error, "ENOTDIR")) return undefined;
    if (error instanceof Error && "code" in error) return [];
    throw error;
  }
}

function unread(file: string | undefined, message: string, hint?: string): Diagnostic {
  const location = file === undefined ? undefined : { file, line: 1, column: 1, endLine: 1, endColumn: 1 };
  return { code: "UNIT_NOT_READ", severity: "warning", message, location, related: [], hint };
}

/**
 * Executable files of `rcN.d` that nothing runs, in the search path, the configuration directory and `FLUX_RC_EXTRA`.
 * An rc file that calls `run_all_rc_scripts(N)` runs the latter two. Warning: `UNIT_NOT_READ`.
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
