import { type Command, Option } from "commander";
import type { Diagnostic, Result } from "../../errors/index.js";
import {
  type Alternative,
  type Catalog,
  type ComposeUnitsOptions,
  composeUnits,
  type DisableRequest,
  disableNames,
  namedOrigin,
  type ReadEvent,
} from "../../units/index.js";
import { assignment, collect } from "../arguments.js";
import type { PlanningContext } from "../facts.js";
import { ExitError, say, sayDiagnostics } from "../terminal/output.js";

/** What every subcommand of `modprobe` calls itself in messages. */
export const PREFIX = "sluice-modprobe";

/** Flags that change units for this once. */
export interface UnitOptions {
  readonly setAlternative?: readonly (readonly [service: string, unit: string])[];
  readonly disable?: readonly string[];
}

/** Adds `-S` and `-D`. */
export function withUnitOptions(command: Command): Command {
  return command
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

/**
 * Composes all units as flags, environment and configuration have it.
 * @throws ExitError after the problems were printed
 */
export async function composeFor(
  options: UnitOptions,
  context: PlanningContext,
  more: Pick<ComposeUnitsOptions, "disableFromEnv" | "rc" | "onRead"> = {},
): Promise<Catalog> {
  return valueOf(await tryCompose(options, context, more));
}

/** As {@link composeFor}, with the problems as data. */
export function tryCompose(
  { setAlternative = [], disable = [] }: UnitOptions,
  { configuration, guard }: PlanningContext,
  more: Pick<ComposeUnitsOptions, "disableFromEnv" | "rc" | "onRead"> = {},
): Promise<Result<Catalog>> {
  const alternatives: Alternative[] = setAlternative.map(([service, unit]) => ({
    service,
    unit,
    origin: namedOrigin(`flag -S ${service}=${unit}`),
  }));
  const disabled: DisableRequest[] = disable.flatMap((text) =>
    disableNames(text, namedOrigin(`flag -D ${text}`)),
  );
  return composeUnits({ ...more, config: configuration, alternatives, disable: disabled, guard });
}

/**
 * The value of a result, its warnings printed.
 * @throws ExitError after the problems were printed
 */
export function valueOf<T>(result: Result<T>): T {
  if (!result.ok) throw refused(result.diagnostics);
  sayDiagnostics(result.warnings, PREFIX);
  return result.value;
}

/** Prints problems, and gives what to throw for them. */
export function refused(diagnostics: readonly Diagnostic[]): ExitError {
  sayDiagnostics(diagnostics, PREFIX);
  return new ExitError(1);
}

/** For `-v`: each directory and file that is looked at. */
export function sayReading(event: ReadEvent): void {
  say(event.kind === "checking" ? `checking ${event.directory}/${event.pattern}` : `loading ${event.file}`);
}
