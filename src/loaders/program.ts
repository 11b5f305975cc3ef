import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { startChild } from "./child-module.js";
import { findCommand, parentDeathPrefix } from "../processes/index.js";
import { parseWritten, readFromProcess } from "./library-process.js";
import type { LibraryQuery, ModuleLoader, ModuleSpec, RunningModule } from "./module-loader.js";

/** The first bytes of an executable: ELF, or a script that names its interpreter. */
const MAGICS = [Buffer.from("\x7fELF", "latin1"), Buffer.from("#!")];

/** A loader that is a command (`[loaders.NAME]` of the configuration). */
export interface CommandLoaderOptions {
  readonly name: string;
  /** The suffixes of its files, with the dot. */
  readonly suffixes: readonly string[];
  /** First bytes of its files. */
  readonly magic?: Uint8Array | undefined;
  /** Program and arguments. The module's path is appended. */
  readonly command: readonly string[];
}

/**
 * The loader of executables that use the wire form on the descriptor that `SLUICE_MODULE_URI=fd://N` names
 * (docs/wire-protocol.md).
 */
export function createProgramLoader(): ModuleLoader {
  return new ProgramLoader({
    name: "program",
    suffixes: [],
    recognises: (head) => MAGICS.some((magic) => startsWith(head, magic)),
    commandFor: ({ path }) => [path],
  });
}

/** A loader from the configuration: as `program`, but runs its command with the module's path after it. */
export function createCommandLoader({ name, suffixes, magic, command }: CommandLoaderOptions): ModuleLoader {
  return new ProgramLoader({
    name,
    suffixes,
    recognises: magic === undefined ? undefined : (head) => startsWith(head, magic),
    commandFor: ({ path }) => [...command, path],
  });
}

interface ProgramLoaderOptions {
  readonly name: string;
  readonly suffixes: readonly string[];
  readonly recognises: ((head: Uint8Array) => boolean) | undefined;
  readonly commandFor: (spec: Pick<ModuleSpec, "path">) => readonly string[];
}

class ProgramLoader implements ModuleLoader {
  readonly name: string;
  readonly suffixes: readonly string[];
  readonly #options: ProgramLoaderOptions;
  #prefix: Promise<readonly string[]> | undefined;

  constructor(options: ProgramLoaderOptions) {
    this.name = options.name;
    this.suffixes = options.suffixes;
    this.#options = options;
  }

  recognises(head: Uint8Array): boolean {
    return this.#options.recognises?.(head) === true;
  }

  async check(spec: Pick<ModuleSpec, "path" | "env">): Promise<void> {
    const [program = ""] = this.#options.commandFor(spec);
    await access(spec.path, constants.R_OK);
    await findCommand(program, (spec.env ?? process.env)["PATH"]);
  }

  async readLibrary(query: LibraryQuery): Promise<unknown> {
    const { path, env = process.env, timeoutMs } = query;
    const [program = "", ...args] = this.#options.commandFor({ path });
    const file = await findCommand(program, env["PATH"]);
    const command = [file, ...args, "--sluice-manifest"];
    const written = await readFromProcess({ command, env, fd: 1, timeoutMs });
    return written.trim() === "" ? undefined : parseWritten(written);
  }

  async start(spec: ModuleSpec): Promise<RunningModule> {
    const [program = "", ...args] = this.#options.commandFor(spec);
    const [prefix, file] = await Promise.all([
      (this.#prefix ??= parentDeathPrefix()),
      findCommand(program, (spec.env ?? process.env)["PATH"]),
    ]);
    const { member, env } = spec;
    // The program gets its arguments in the welcome, but needs its module's name before.
    const which = member && { env: { ...(env ?? process.env), SLUICE_LIBRARY_MODULE: member.name } };
    return startChild({ spec: { ...spec, ...which }, command: [...prefix, file, ...args] });
  }
}

function startsWith(head: Uint8Array, magic: Uint8Array): boolean {
  return magic.every((byte, at) => head[at] === byte);
}
