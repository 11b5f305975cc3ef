import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { type Diagnostic, fail, type Result, succeed } from "../errors/index.js";
import {
  asReading,
  brokenReading,
  codeFragment,
  createFileGuard,
  type FileReading,
  type FileGuard,
  formatOf,
  type Fragment,
  type NamedReference,
  namedOrigin,
  type Reading,
  readRcReading,
  type SetupEdit,
  unreadable,
} from "../units/index.js";
import type { RcFileReport } from "./host-port.js";
import type { RcSession } from "./session.js";

/** The contents of the rc files of a run, ready to be composed and planned. */
export interface RcReading {
  /** The fragments in the order read. Composition takes them after the configuration. */
  readonly fragments: readonly Fragment[];
  /** Names of their tasks, which are roots. */
  readonly tasks: readonly string[];
  /** Units and services to load, which are roots too. */
  readonly load: readonly NamedReference[];
  /** Modules to remove; `all` if one of the files has `all`. */
  readonly remove: readonly NamedReference[] | "all";
  /** Units and services to force-enable (docs/design/planning.md §3). */
  readonly enabled: readonly string[];
  /** Files that were read with stand-ins, and the names of the missing packages (docs/design/flux.md §1). */
  readonly standIns: readonly ReadWithStandIns[];
}

/** A file with missing imports. */
export interface ReadWithStandIns {
  readonly file: string;
  /** The names of the packages, in the order of their first imports. */
  readonly names: readonly string[];
}

/**
 * Reads rc files of all kinds, in order. The `setup()` of each runs before the next is read
 * (docs/design/planning.md §8). Errors: `UNIT_INSECURE`, `RC_INVALID`, `RC_FAILED`, and the errors of
 * `readRcFragment` and `codeFragment`; of all files at once. Warnings: `RC_STAND_IN`.
 * @param session has the hosts of the files with code
 * @param onLoading gets each file before it is read, for `loading FILE`
 * @param reading how files are read
 */
export async function readRcFiles(
  files: readonly string[],
  session: RcSession,
  onLoading: (file: string) => void = () => undefined,
  reading: FileReading = {},
): Promise<Result<RcReading>> {
  const read = await readSoundRcFiles(files, session, onLoading, reading);
  return read.diagnostics.length > 0 ? fail(read.diagnostics) : succeed(read.reading, read.warnings);
}

/** The readable contents of some rc files. */
export interface SoundRcReading {
  readonly reading: RcReading;
  /** All files in the order read, with the sound part and the problems of each. */
  readonly readings: readonly Reading[];
  /** Files that could not be read, whose tasks are missing. */
  readonly unread: readonly string[];
  readonly diagnostics: readonly Diagnostic[];
  readonly warnings: readonly Diagnostic[];
}

/** As {@link readRcFiles}, of the readable files, with the problems of the others. */
export async function readSoundRcFiles(
  files: readonly string[],
  session: RcSession,
  onLoading: (file: string) => void,
  { guard = createFileGuard(), cache }: FileReading,
): Promise<SoundRcReading> {
  const draft = new RcReadingDraft();
  const readings: Reading[] = [];
  const warnings: Diagnostic[] = [];
  const unread: string[] = [];
  for (const file of files) {
    onLoading(file);
    const reading =
      formatOf(file) === undefined
        ? await readCode(file, session, draft, guard, warnings)
        : await readRcReading(file, { guard, cache });
    readings.push(reading);
    if (reading.diagnostics.length === 0) draft.add(reading.fragment);
    else unread.push(file);
  }
  const diagnostics = readings.flatMap((reading) => reading.diagnostics);
  return { reading: draft, readings, unread, diagnostics, warnings };
}

async function readCode(
  file: string,
  session: RcSession,
  draft: RcReadingDraft,
  guard: FileGuard,
  warnings: Diagnostic[],
): Promise<Reading> {
  const problems = guard.check(file);
  if (problems.length > 0) return brokenReading(file, problems);
  try {
    await access(file, constants.R_OK);
  } catch (error) {
    // The host would report it with the text of its module loader.
    return brokenReading(file, [unreadable(file, error)]);
  }
  const report = await session.read(file);
  if (!report.ok) return brokenReading(file, report.diagnostics);
  const edits = draft.apply(report.value);
  const fragment = codeFragment({ file, tasks: report.value.tasks, edits });
  if (!fragment.ok) return brokenReading(file, fragment.diagnostics);
  warnings.push(...report.warnings, ...fragment.warnings);
  return asReading(fragment.value);
}

class RcReadingDraft implements RcReading {
  readonly fragments: Fragment[] = [];
  readonly tasks: string[] = [];
  readonly load: NamedReference[] = [];
  readonly enabled: string[] = [];
  readonly standIns: ReadWithStandIns[] = [];
  remove: NamedReference[] | "all" = [];

  add(fragment: Fragment): void {
    this.fragments.push(fragment);
    for (const { kind, name } of fragment.definitions) if (kind === "task") this.tasks.push(name);
    for (const reference of fragment.load) this.load.push(reference);
    this.#remove(fragment.remove);
  }

  /** Takes the changes of a `setup()` to the plan, and returns its changes to units. */
  apply({ file, effects, standIns }: RcFileReport): SetupEdit[] {
    if (standIns.length > 0) this.standIns.push({ file, names: standIns.map(({ name }) => name) });
    const origin = namedOrigin(`setup() of ${file}`);
    const edits: SetupEdit[] = [];
    for (const effect of effects) {
      switch (effect.kind) {
        case "load":
          this.load.push(...effect.names.map((name) => ({ name, origin })));
          break;
        case "remove":
          if (effect.names === null) this.remove = "all";
          else this.#remove(effect.names.map((name) => ({ name, origin })));
          break;
        case "enable":
          this.enabled.push(effect.name);
          break;
        case "alternative":
        case "setopt":
          edits.push(effect);
      }
    }
    return edits;
  }

  #remove(names: readonly NamedReference[]): void {
    if (this.remove !== "all") this.remove.push(...names);
  }
}
