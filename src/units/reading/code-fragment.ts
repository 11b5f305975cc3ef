import { type Result } from "../../errors/index.js";
import type { Change, Definition, Fragment } from "../fragment.js";
import { checkCodeTask } from "../generated/validators.js";
import { UNIT_KEYS } from "../keys/unit-keys.js";
import { resultOf } from "./parse-fragment.js";
import { explainErrors, locateProblems, type Problem } from "../problems.js";
import { readSetting } from "../settings.js";
import { codeSource, SourceOrigin } from "../source.js";
import type { Diagnostic } from "../../errors/index.js";

/** Keys that a task of an rc file may have: the keys of all units. */
const CODE_TASK_KEYS = UNIT_KEYS.filter(({ on }) => on === "both").map(({ key }) => key);

/** A task that an rc file declares in code. */
export interface CodeTask {
  readonly name: string;
  /** Its options by the keys of unit files, e.g. `needs-attrs`; with any values that the code gave. */
  readonly keys: Readonly<Record<string, unknown>>;
  /** Line of the declaration, from 1; 0 if unknown. */
  readonly line: number;
  readonly column: number;
}

/** The effects of `setup()` of an rc file on units (docs/design/planning.md §8). */
export type SetupEdit =
  | { readonly kind: "alternative"; readonly service: string; readonly unit: string }
  /** Arguments to append to the arguments of a module, or to replace them with. */
  | {
      readonly kind: "setopt";
      readonly module: string;
      readonly options: readonly string[];
      readonly overwrite: boolean;
    };

/** The report of a host about one rc file with code. */
export interface CodeContribution {
  readonly file: string;
  /** The tasks in the order declared. */
  readonly tasks: readonly CodeTask[];
  /** The edits in the order made. */
  readonly edits: readonly SetupEdit[];
}

/**
 * A fragment from the declarations in code, by the same rules as for files. The tasks have no command and no run
 * levels: they are roots because their rc file was read. Errors, all at once: `UNIT_UNKNOWN_KEY` (`NAME: unknown task
 * argument K`), `UNIT_MISSING_KEY` (`task missing required name argument`), and the errors of `parseFragment` for
 * values.
 */
export function codeFragment({ file, tasks, edits }: CodeContribution): Result<Fragment> {
  const definitions: Definition[] = [];
  const diagnostics: Diagnostic[] = [];
  for (const task of tasks) {
    const source = codeSource(file, task.line, task.column);
    const problems: Problem[] = [];
    const definition = readCodeTask(task, source, problems);
    if (definition !== undefined) definitions.push(definition);
    diagnostics.push(...locateProblems(source, problems));
  }
  const source = codeSource(file);
  const changes = edits.map((edit) => toChange(edit, source));
  return resultOf({
    fragment: { source, definitions, changes, load: [], remove: [] },
    diagnostics,
    isBroken: false,
  });
}

function readCodeTask(
  { name, keys }: CodeTask,
  source: Definition["source"],
  problems: Problem[],
): Definition | undefined {
  if (name === "") {
    const message = "task missing required name argument";
    problems.push({ code: "UNIT_MISSING_KEY", message, path: [], part: "value" });
    return undefined;
  }
  const table: unknown = { ...keys, name };
  if (checkCodeTask(table)) {
    const setting = readSetting({ ...table, runlevels: [] }, source, [], problems);
    return { ...setting, kind: "task", name, isCode: true };
  }
  for (const problem of explainErrors(checkCodeTask.errors, table, [], CODE_TASK_KEYS)) {
    const isUnknown = problem.code === "UNIT_UNKNOWN_KEY";
    const said = isUnknown ? `unknown task argument ${String(problem.path.at(-1))}` : problem.message;
    problems.push({ ...problem, message: `${name}: ${said}` });
  }
  return undefined;
}

function toChange(edit: SetupEdit, source: Definition["source"]): Change {
  switch (edit.kind) {
    case "alternative": {
      const { service, unit } = edit;
      return { kind: "alternative", service, unit, origin: new SourceOrigin(source, []) };
    }
    case "setopt": {
      const { module, options, overwrite } = edit;
      return { kind: "options", target: module, args: splitOptions(options), overwrite, source };
    }
  }
}

/** A single text may contain several options, with blanks between them. */
function splitOptions(options: readonly string[]): string[] {
  return options.flatMap((option) => option.split(/\s+/)).filter((option) => option !== "");
}
