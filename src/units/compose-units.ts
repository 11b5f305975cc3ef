import { fail, type Origin, type Result, succeed } from "../errors/index.js";
import { type Limits, withinLimits } from "../processes/index.js";
import { composeSound, type SoundCatalog } from "./composing/compose.js";
import type { DisableRequest } from "./composing/composer.js";
import { configReadings, LayeredConfiguration } from "./reading/configuration.js";
import type { Fragment, Reading } from "./fragment.js";
import { asReading, type FileReading } from "./reading/parse-fragment.js";
import { type ReadEvent, readAll, readStackFiles } from "./reading/read-fragments.js";
import { defaultDirectories, type Directories, type Env, unitSearchPath } from "./search-path.js";
import { namedOrigin } from "./source.js";
import type { Alternative, Catalog, ConfigTable } from "./types.js";

/** Where `composeUnits` reads units, and the settings that change them. */
export interface ComposeUnitsOptions extends Limits, FileReading {
  /**
   * Directories with `modprobe.d`. By default the variables in `env` set them (docs/design/planning.md §2).
   */
  readonly searchPath?: readonly string[];
  /**
   * Directories of shipped files and of the site. By default the variables in `env` set them
   * (docs/design/instance.md §2).
   */
  readonly dataDir?: string;
  readonly confDir?: string;
  /** If set, Sluice reads only these unit files (docs/design/programs.md §2). */
  readonly files?: readonly string[] | undefined;
  /** Environment variables for directories and disabled units. Default: the variables of this process. */
  readonly env?: Env;
  /**
   * Whether `FLUX_MODPROBE_DISABLE` and `FLUX_SCHED_MODULE` of `env` apply. An explicit load ignores them.
   * With `"known"` an unknown name is no error, because unread rc files may define it. Default true.
   */
  readonly disableFromEnv?: boolean | "known";
  /** Fragments that Sluice composes before all files, such as modules of libraries that a flag picks. */
  readonly first?: readonly Fragment[];
  /** The configuration, whose table `modules` changes units. */
  readonly config?: LayeredConfiguration | ConfigTable;
  /** Fragments of rc files, which Sluice composes after the configuration. */
  readonly rc?: readonly Fragment[];
  /** Alternatives, for example from a flag, that override files, configuration and rc files. */
  readonly alternatives?: readonly Alternative[];
  /** Units or services to disable, besides those of the environment. */
  readonly disable?: readonly DisableRequest[];
  /** Sluice calls the function for each directory and file that it checks. */
  readonly onRead?: (event: ReadEvent) => void;
}

/**
 * Reads and composes all units (docs/design/planning.md §2). Returns all errors of `readFragments` and
 * `compose` at once, sorted by place.
 * @throws SluiceError `BROKER_REQUEST` with `ECANCELED` or `ETIMEDOUT` at a limit
 */
export async function composeUnits(options: ComposeUnitsOptions = {}): Promise<Result<Catalog>> {
  const composing = composeSoundUnits(options);
  const { catalog, diagnostics, warnings } = await withinLimits("composing of units", options, composing);
  return diagnostics.length > 0 ? fail(diagnostics) : succeed(catalog, warnings);
}

/**
 * As {@link composeUnits}, of all valid files, with the problems of the rest.
 * @param further files with possible problems, which come after all others
 */
export async function composeSoundUnits(
  options: ComposeUnitsOptions = {},
  further: readonly Reading[] = [],
): Promise<SoundCatalog> {
  const env = options.env ?? process.env;
  const readings = (options.first ?? []).map(asReading);
  for (const reading of await readFiles(options, env)) readings.push(reading);
  for (const reading of configReadings(configurationOf(options.config))) readings.push(reading);
  for (const fragment of options.rc ?? []) readings.push(asReading(fragment));
  for (const reading of further) readings.push(reading);
  const mayBeUnknown = options.disableFromEnv === "known";
  const fromEnv = options.disableFromEnv === false ? [] : disableRequests(env);
  return composeSound(readings, {
    alternatives: options.alternatives ?? [],
    disable: [
      ...(mayBeUnknown ? fromEnv.map((request) => ({ ...request, mayBeUnknown })) : fromEnv),
      ...(options.disable ?? []),
    ],
  });
}

function readFiles(options: ComposeUnitsOptions, env: Env): Promise<Reading[]> {
  const { files, searchPath, onRead, guard, cache } = options;
  if (files !== undefined) return readStackFiles(files, { onRead, guard, cache });
  const directories = directoriesOf(options, env);
  return readAll({
    dataDir: directories.dataDir,
    searchPath: searchPath ?? unitSearchPath(env, directories),
    onRead,
    guard,
    cache,
  });
}

/** A list of names from a flag or a variable, separated by commas or blanks. */
export function disableNames(text: string, origin: Origin): DisableRequest[] {
  return text
    .split(/[\s,]+/)
    .filter((name) => name !== "")
    .map((name) => ({ name, origin }));
}

/** The names that `FLUX_MODPROBE_DISABLE` and `FLUX_SCHED_MODULE=none` disable. */
function disableRequests(env: Env): DisableRequest[] {
  const named = disableNames(
    env["FLUX_MODPROBE_DISABLE"] ?? "",
    namedOrigin("environment FLUX_MODPROBE_DISABLE"),
  );
  if (env["FLUX_SCHED_MODULE"] !== "none") return named;
  const origin = namedOrigin("environment FLUX_SCHED_MODULE");
  return [...named, ...SCHEDULER_SERVICES.map((name) => ({ name, origin, isService: true }))];
}

const SCHEDULER_SERVICES = ["sched", "feasibility"];

function directoriesOf({ dataDir, confDir }: ComposeUnitsOptions, env: Env): Directories {
  const defaults = defaultDirectories(env);
  return { ...defaults, dataDir: dataDir ?? defaults.dataDir, confDir: confDir ?? defaults.confDir };
}

function configurationOf(config: LayeredConfiguration | ConfigTable | undefined): LayeredConfiguration {
  if (config instanceof LayeredConfiguration) return config;
  return LayeredConfiguration.of(config ?? {});
}
