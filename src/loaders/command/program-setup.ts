import { type FileHandle, open, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { ERRNO, errnumOf, messageOf, SluiceError, strerror } from "../../errors/index.js";
import type { Identity, ResourceLimit } from "../../processes/index.js";
import { readEnvironmentFiles } from "./environment-file.js";
import { limitsIn, refuseWithoutHelper, runAsOf } from "./identity.js";
import type { ModuleSpec } from "../module-loader.js";

/** The options of a program before its start. */
export type SetupSpec = Omit<ModuleSpec, "uuid" | "args" | "thread">;

/** The parameters of one start of a program, computed for each start. */
export interface ProgramSetup {
  readonly directory: string;
  readonly env: NodeJS.ProcessEnv;
  readonly identity: Identity | undefined;
  readonly limits: readonly ResourceLimit[];
}

const US_PER_MS = 1000;

/**
 * Works out the environment, the files, the user and the limits that a program starts with.
 * @throws SluiceError `LOAD_FAILED` for a part that is missing, invalid or not allowed
 */
export async function setUp(spec: SetupSpec): Promise<ProgramSetup> {
  refuseWithoutHelper(spec);
  const directory = directoryOf(spec);
  const { environment = {}, environmentFile = [], unset = [], watchdogMs = 0 } = spec;
  const [fromFiles, { identity, variables }] = await Promise.all([
    spec.fileVariables ?? readEnvironmentFiles(environmentFile, directory),
    runAsOf(spec),
    refuseMissingDirectory(directory),
  ]);
  spec.onFileVariables?.(fromFiles);
  const watchdog = watchdogMs === 0 ? {} : { WATCHDOG_USEC: String(Math.round(watchdogMs * US_PER_MS)) };
  const all = { ...(spec.env ?? process.env), ...variables, ...watchdog, ...fromFiles, ...environment };
  return {
    directory,
    env: Object.fromEntries(Object.entries(all).filter(([name]) => !unset.includes(name))),
    identity,
    limits: limitsIn(spec.limits),
  };
}

/** The directory in which a program runs. */
export function directoryOf({ directory }: Pick<ModuleSpec, "directory">): string {
  return directory ?? process.cwd();
}

/**
 * For a missing directory, Node would report that the program does not exist.
 * @throws SluiceError `LOAD_FAILED`
 */
export async function refuseMissingDirectory(directory: string): Promise<void> {
  let errnum: number | undefined = ERRNO.ENOTDIR;
  try {
    if ((await stat(directory)).isDirectory()) return;
  } catch (error) {
    errnum = errnumOf(error);
    if (errnum === undefined) throw error;
  }
  throw new SluiceError("LOAD_FAILED", `directory ${directory}: ${strerror(errnum)}`, { errnum });
}

/** Where the output of a program goes, and what is open for that in this process. */
export interface ProgramOutput {
  readonly output: "capture" | "inherit" | "discard" | number;
  readonly file?: FileHandle | undefined;
}

/**
 * Opens the files that the output of a program goes to.
 * @throws SluiceError `LOAD_FAILED` if its file cannot be opened
 */
export async function openOutput({ output = "log", directory }: ModuleSpec): Promise<ProgramOutput> {
  switch (output) {
    case "log":
      return { output: "capture" };
    case "inherit":
    case "discard":
      return { output };
    default: {
      const path = resolve(directoryOf({ directory }), output);
      try {
        const file = await open(path, "a");
        return { output: file.fd, file };
      } catch (cause) {
        const errnum = errnumOf(cause);
        const reason = errnum === undefined ? messageOf(cause) : strerror(errnum);
        throw new SluiceError("LOAD_FAILED", `output ${path}: ${reason}`, { errnum, cause });
      }
    }
  }
}
