import { readFile } from "node:fs/promises";
import type { Readable } from "node:stream";
import { ERRNO, SluiceError } from "../errors/index.js";
import {
  findCommand,
  isSuccess,
  moduleEndText,
  parentDeathPrefix,
  processEnd,
  pythonEnvironment,
  startProcess,
} from "../processes/index.js";
import { startChild } from "./child-module.js";
import { parseWritten, readFromProcess } from "./library-process.js";
import { libraryError } from "./library-thread.js";
import type { LibraryQuery, ModuleLoader, ModuleSpec, RunningModule } from "./module-loader.js";

/** The interpreter if the configuration (`loaders.python.command`) names none. */
const INTERPRETER: readonly string[] = ["python3"];

/** Prints the error of a file that cannot be compiled. */
const COMPILE = `
import sys
path = sys.argv[1]
try:
    with open(path, "rb") as file:
        compile(file.read(), path, "exec", dont_inherit=True)
except SyntaxError as error:
    print(f"{path}:{error.lineno or 1}:{error.offset or 1}: {error.msg}")
except (OSError, ValueError) as error:
    print(f"{path}: {error}")
`;

/** `moduleName = "…"`, or `module_name` in the spelling of Python, at the beginning of a line. */
const OWN_NAME = /^(?:moduleName|module_name)\s*(?::[^=\n]+)?=\s*(["'])([^"'\n.\\]+)\1/m;

/**
 * The loader of Python modules (docs/design/modules.md §4, §5), each in an interpreter of its own:
 * `python3 -m sluice.module_exec PATH`.
 * @param command interpreter and its options
 */
export function createPythonLoader(command: readonly string[] = INTERPRETER): ModuleLoader {
  return new PythonLoader(command);
}

class PythonLoader implements ModuleLoader {
  readonly name = "python";
  readonly suffixes = [".py"];
  readonly #command: readonly string[];
  #prefix: Promise<readonly string[]> | undefined;

  constructor(command: readonly string[]) {
    this.#command = command;
  }

  async readModuleName(path: string): Promise<string | undefined> {
    return OWN_NAME.exec(await readFile(path, "utf8"))?.[2];
  }

  async check({ path, env = present(process.env) }: Pick<ModuleSpec, "path" | "env">): Promise<void> {
    const [program = "", ...options] = this.#command;
    const interpreter = await findCommand(program, env["PATH"]);
    const problem = await output(interpreter, [...options, "-c", COMPILE, path], env);
    if (problem !== "") throw new SluiceError("LOAD_FAILED", problem, { errnum: ERRNO.EINVAL });
  }

  async readLibrary({ path, env: given, host, names, timeoutMs }: LibraryQuery): Promise<unknown> {
    const [program = "", ...options] = this.#command;
    const env = given ?? present(process.env);
    const interpreter = await findCommand(program, env["PATH"]);
    const written = await readFromProcess({
      command: [interpreter, ...options, "-m", "sluice.library", "3", path],
      env: { ...env, ...pythonEnvironment(env) },
      input: JSON.stringify({ host, names: names ?? null }),
      ...{ fd: 3, timeoutMs },
    });
    const { error, manifest } = parseWritten(written) as {
      readonly error?: string;
      readonly manifest?: unknown;
    };
    if (error !== undefined) throw libraryError(error);
    return manifest ?? undefined;
  }

  async start(spec: ModuleSpec): Promise<RunningModule> {
    const [program = "", ...options] = this.#command;
    const env = spec.env ?? present(process.env);
    const [prefix, interpreter] = await Promise.all([
      (this.#prefix ??= parentDeathPrefix()),
      findCommand(program, env["PATH"]),
    ]);
    const { memoryLimitBytes, member, plugin } = spec;
    // At this limit an allocation in Python fails. The module then fails with that error, instead of being
    // killed.
    const limits = memoryLimitBytes === undefined ? [] : [`--memory-limit=${memoryLimitBytes}`];
    const { kind } = plugin ?? member ?? {};
    const which = [
      ...(member === undefined ? [] : [`--member=${member.name}`]),
      ...(plugin === undefined ? [] : [`--plugin=${plugin.symbols.join(",")}`]),
      ...(kind === undefined ? [] : [`--kind=${kind}`]),
    ];
    return startChild({
      spec: { ...spec, env: { ...env, ...pythonEnvironment(env) } },
      command: [
        ...prefix,
        interpreter,
        ...options,
        "-m",
        "sluice.module_exec",
        ...limits,
        ...which,
        spec.path,
      ],
    });
  }
}

/** The standard output of a command, without blanks at the end. */
async function output(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<string> {
  const child = startProcess(program, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  const [printed, complaints] = [textOf(child.stdout), textOf(child.stderr)];
  const end = await processEnd(child);
  if (isSuccess(end)) return printed().trim();
  throw new SluiceError("LOAD_FAILED", complaints().trim() || `${program}: ${moduleEndText(end)}`);
}

function textOf(stream: Readable): () => string {
  let text = "";
  stream.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  return () => text;
}

/** A variable with the value undefined is not set. */
function present(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
