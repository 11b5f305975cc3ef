import { realpathSync } from "node:fs";
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { systemMessage } from "../../errors/index.js";
import {
  type FileGuard,
  type Fragment,
  groupReference,
  type NamedReference,
  namedOrigin,
  readStackFiles,
  SourceOrigin,
} from "../../units/index.js";
import { collect } from "../arguments.js";
import { ExitError, UsageError } from "../terminal/output.js";

/** The attribute that has the groups of which the instance consists, as a JSON array. */
const GROUPS_ATTRIBUTE = "broker.groups";

/** The attribute with the files of the instance, as a JSON array of paths. */
export const FILES_ATTRIBUTE = "broker.files";

export interface FilesOption {
  /** Absolute paths. */
  readonly file?: readonly string[];
  /** Names of groups. */
  readonly group?: readonly string[];
}

/** Adds `--file`, which a user may give several times (docs/design/programs.md §2). */
export function withFiles(command: Command, flags = "--file <file>"): Command {
  const option = new Option(
    flags,
    "use the units of this file only, without the shipped units and those of the site; may be repeated",
  );
  return command.addOption(option.argParser(collect((text) => resolve(text))));
}

/** Adds `--group`, which may be given several times. */
export function withGroupOption(command: Command): Command {
  const option = new Option(
    "--group <group>",
    "start only the units of this group in the files, and their requirements; may be repeated",
  );
  return command.addOption(option.argParser(collect(String)));
}

/**
 * Refuses groups of shipped and site units, whose rc files decide what starts.
 * @throws UsageError
 */
export function requireFilesOfGroups({ file, group }: FilesOption): void {
  if (group !== undefined && file === undefined) throw new UsageError("--group needs -f FILE");
}

/** The attributes that keep the files and the groups for every plan of the instance. */
export function filesAttributes(options: FilesOption): Readonly<Record<string, string>> {
  const { file, group } = options;
  return {
    ...(file !== undefined && { [FILES_ATTRIBUTE]: JSON.stringify(realFiles(options)) }),
    ...(group !== undefined && { [GROUPS_ATTRIBUTE]: JSON.stringify(group) }),
  };
}

/**
 * The files with links resolved, which identify an instance.
 * @throws ExitError if a file cannot be found
 */
export function realFiles({ file = [] }: FilesOption): string[] {
  return file.map((path) => {
    try {
      return realpathSync(path);
    } catch (error) {
      throw new ExitError(1, `${path}: ${systemMessage(error)}`);
    }
  });
}

/** The files to compose, by the flag, else the files of the instance; undefined if it has shipped and site units. */
export function filesOf(
  { file }: FilesOption,
  attrs: Readonly<Record<string, string>>,
): readonly string[] | undefined {
  return file ?? listIn(attrs, FILES_ATTRIBUTE);
}

/**
 * The groups of which a start consists, by the flag, else those of the instance for its own files; none: all units.
 * @throws UsageError if there are no files
 */
export function groupsOf(options: FilesOption, attrs: Readonly<Record<string, string>>): readonly string[] {
  const { file, group } = options;
  const own = listIn(attrs, FILES_ATTRIBUTE);
  if (group !== undefined) {
    if (file === undefined && own === undefined)
      throw new UsageError("--group needs --file=FILE, or an instance of files");
    return group;
  }
  const isOwn = file === undefined || JSON.stringify(realFiles(options)) === JSON.stringify(own);
  return isOwn ? (listIn(attrs, GROUPS_ATTRIBUTE) ?? []) : [];
}

/**
 * A list that an attribute keeps as JSON.
 * @throws ExitError if the attribute was set to anything else
 */
function listIn(attrs: Readonly<Record<string, string>>, name: string): readonly string[] | undefined {
  const text = attrs[name];
  if (text === undefined) return undefined;
  const list = parsed(text);
  if (Array.isArray(list)) return list.map(String);
  throw new ExitError(1, `the attribute ${name} must be a JSON array of texts, such as '["web"]'`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The roots of rc1 in an instance of files. */
export interface StackRoots {
  readonly load: readonly NamedReference[];
  /** Whether groups or `load` of the files name the roots. Otherwise all modules and tasks are roots. */
  readonly isChosen: boolean;
}

/**
 * The roots in the files: those of the groups, else the names in `load`, else all modules. Composing reports problems of
 * the files.
 */
export async function stackRoots(
  files: readonly string[],
  groups: readonly string[],
  guard: FileGuard,
): Promise<StackRoots> {
  if (groups.length > 0) {
    const load = groups.map((group) => ({
      name: groupReference(group),
      origin: namedOrigin(`flag --group ${group}`),
    }));
    return { load, isChosen: true };
  }
  const fragments = (await readStackFiles(files, { guard })).map(({ fragment }) => fragment);
  const chosen = fragments.flatMap(({ load }) => load);
  return chosen.length > 0
    ? { load: chosen, isChosen: true }
    : { load: fragments.flatMap(modulesOf), isChosen: false };
}

function modulesOf({ definitions }: Fragment): NamedReference[] {
  return definitions.flatMap(({ kind, name, source, path }) =>
    kind === "module" ? [{ name, origin: new SourceOrigin(source, path) }] : [],
  );
}
