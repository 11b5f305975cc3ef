import { type Command, Option } from "commander";
import { type Diagnostic, fail, formatLocation, type Result, succeed } from "../../errors/index.js";
import {
  type Alternative,
  type Catalog,
  composeSoundUnits,
  type ComposeUnitsOptions,
  type DisableRequest,
  disableNames,
  namedOrigin,
  type ReadEvent,
  type Reading,
} from "../../units/index.js";
import { assignment, collect } from "../arguments.js";
import type { PlanningContext } from "../facts.js";
import { filesOf, type FilesOption, withFiles, withGroupOption } from "../instance/files-option.js";
import { type ModulesOption, pickedModules, withModules } from "../instance/modules-option.js";
import { ExitError, say, sayDiagnostics } from "../terminal/output.js";

/** The name of every subcommand of `modprobe` in messages. */
export const PREFIX = "sluice-modprobe";

/** Flags that change units for this run only. */
export interface UnitOptions extends ModulesOption, FilesOption {
  readonly setAlternative?: readonly (readonly [service: string, unit: string])[];
  readonly disable?: readonly string[];
  /** Optional units whose libraries were refused. */
  readonly refused?: readonly DisableRequest[];
}

/** Adds `-S`, `-D`, `--modules` and `--file`. */
export function withUnitOptions(command: Command): Command {
  return withFiles(withModules(command))
    .addOption(
      new Option("-S, --set-alternative <service=unit>", "force the provider of a service").argParser(
        collect(assignment),
      ),
    )
    .addOption(
      new Option("-D, --disable <unit>", "disable a unit, or all providers of a service").argParser(
        collect(String),
      ),
    );
}

/** Adds these, and `--group`, for commands that plan a start. */
export function withStartOptions(command: Command): Command {
  return withGroupOption(withUnitOptions(command));
}

/**
 * Composes all units as flags, environment and configuration have it.
 * @throws ExitError after it has printed the problems
 */
export async function composeFor(
  options: UnitOptions,
  context: PlanningContext,
  more: Composing = {},
): Promise<Catalog> {
  return valueOf(await tryCompose(options, context, more));
}

/** Further inputs of the composition, and the place for problems. */
interface Composing extends Pick<ComposeUnitsOptions, "disableFromEnv" | "rc" | "onRead"> {
  /** Files with possible problems, which come after all others. */
  readonly further?: readonly Reading[];
}

/** As {@link composeFor}, with the problems as data. */
export async function tryCompose(
  options: UnitOptions,
  context: PlanningContext,
  more: Composing = {},
): Promise<Result<Catalog>> {
  const { catalog, diagnostics, warnings } = await composeSoundFor(options, context, more);
  return diagnostics.length > 0 ? fail(diagnostics) : succeed(catalog, warnings);
}

/** As {@link tryCompose}, of all valid parts. */
export function composeSoundFor(
  options: UnitOptions,
  context: PlanningContext,
  { further = [], ...more }: Composing = {},
): ReturnType<typeof composeSoundUnits> {
  return composeSoundUnits(composeOptions(options, context, more), further);
}

function composeOptions(
  { setAlternative = [], disable = [], refused: leftOut = [], ...picking }: UnitOptions,
  { configuration, guard, cache, facts }: PlanningContext,
  more: Omit<Composing, "further">,
): ComposeUnitsOptions {
  const alternatives: Alternative[] = setAlternative.map(([service, unit]) => ({
    service,
    unit,
    origin: namedOrigin(`flag -S ${service}=${unit}`),
  }));
  const disabled: DisableRequest[] = disable.flatMap((text) =>
    disableNames(text, namedOrigin(`flag -D ${text}`)),
  );
  const first = pickedModules(picking, facts.attrs).fragments;
  const files = filesOf(picking, facts.attrs);
  return {
    ...more,
    first,
    files,
    config: configuration,
    alternatives,
    disable: [...disabled, ...leftOut],
    guard,
    cache,
  };
}

/**
 * Prints the warnings of a result, and returns its value.
 * @throws ExitError after it has printed the problems
 */
export function valueOf<T>(result: Result<T>): T {
  if (!result.ok) throw refused(result.diagnostics);
  sayDiagnostics(result.warnings, PREFIX);
  return result.value;
}

/** Prints problems, and returns the error to throw for them. */
export function refused(diagnostics: readonly Diagnostic[]): ExitError {
  sayDiagnostics(diagnostics, PREFIX);
  return new ExitError(1, "", placeAbove(diagnostics.filter(({ severity }) => severity === "error")));
}

/** The places of printed problems, so that no cause appears twice. */
function placeAbove([first, ...others]: readonly Diagnostic[]): string {
  if (first?.location === undefined) return "see above";
  const more = others.length === 0 ? "" : ` and ${others.length} more`;
  return `${formatLocation(first.location)}${more}, see above`;
}

/** With `-v`, prints each directory and file that the command reads. */
export function sayReading(event: ReadEvent): void {
  say(event.kind === "checking" ? `checking ${event.directory}/${event.pattern}` : `loading ${event.file}`);
}
