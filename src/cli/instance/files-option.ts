import { realpathSync } from "node:fs";
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { systemMessage } from "../../errors/index.js";
import {
  type FileGuard,
  type Fragment,
  type NamedReference,
  readStackFiles,
  SourceOrigin,
} from "../../units/index.js";
import { collect } from "../arguments.js";
import { ExitError } from "../terminal/output.js";

/** The attribute with the files of the instance, as a JSON array of paths. */
export const FILES_ATTRIBUTE = "broker.files";

export interface FilesOption {
  /** Absolute paths. */
  readonly file?: readonly string[];
}

/** Adds `--file`, which a user may give several times (docs/design/programs.md §2). */
export function withFiles(command: Command, flags = "--file <file>"): Command {
  const option = new Option(
    flags,
    "use the units of this file only, without the shipped units and those of the site; may be repeated",
  );
  return command.addOption(option.argParser(collect((text) => resolve(text))));
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
  if (file !== undefined) return file;
  const text = attrs[FILES_ATTRIBUTE];
  const files: unknown = text === undefined ? undefined : JSON.parse(text);
  return Array.isArray(files) ? files.map(String) : undefined;
}

/** The roots of rc1 in an instance of files. */
export interface StackRoots {
  readonly load: readonly NamedReference[];
  /** True if `load` of the files names the modules. False: the roots are all modules of the files, and their tasks. */
  readonly isChosen: boolean;
}

/** The modules to load from the files. Composing reports problems of the files. */
export async function stackRoots(files: readonly string[], guard: FileGuard): Promise<StackRoots> {
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
