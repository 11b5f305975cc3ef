import { ERRNO, SluiceError } from "../../errors/index.js";
import { channelPair, runModuleMain } from "../../messages/index.js";
import type { SupervisedProgram } from "../../processes/index.js";
import { executableOf } from "./command-line.js";
import { Program } from "./program.js";
import { setUp, type SetupSpec } from "./program-setup.js";
import type { ModuleExit, ModuleLoader, ModuleSpec, RunningModule } from "../module-loader.js";
import type { CommandLine } from "../program-options.js";

/**
 * The loader of ordinary programs (docs/design/programs.md §1). It starts a program, decides when it is
 * ready, watches it and stops it. The broker sees the supervisor itself as the module.
 */
export function createProgramSupervisor(): ModuleLoader {
  return new CommandLoader();
}

class CommandLoader implements ModuleLoader {
  readonly name = "command";
  readonly suffixes = [];
  /** The processes that SIGKILL has not ended, by the module's name. */
  readonly #stuck = new Map<string, SupervisedProgram>();

  async check(spec: SetupSpec): Promise<void> {
    const { directory, env } = await setUp(spec);
    await executableOf(commandOf(spec), { directory, env });
  }

  async start(spec: ModuleSpec): Promise<RunningModule> {
    await this.#refuseStuck(spec.name);
    const program = new Program(spec, commandOf(spec));
    const [brokerEnd, moduleEnd] = channelPair();
    let isTerminated = false;
    const life = runModuleMain(moduleEnd, () => Promise.resolve(program.main));
    const exited = life.then((outcome): ModuleExit => {
      const isStuck = program.running !== undefined;
      if (isStuck) this.#keepStuck(spec.name, program.running);
      if (isStuck && outcome.kind === "error") return { kind: "stuck", message: outcome.message };
      return isTerminated ? { kind: "terminated" } : outcome;
    });
    return {
      channel: brokerEnd,
      get pid() {
        return program.pid;
      },
      get probe() {
        return program.probe;
      },
      exited,
      giveUp: () => program.stop(),
      setRef: (isRef) => program.setRef(isRef),
      amend: (options) => program.amend(options),
      terminate: async () => {
        isTerminated = true;
        // The broker has not sent it a welcome yet, and will not.
        if (!program.hasBegun) brokerEnd.close();
        // The exit message already reports that a process has outlived this one.
        await program.kill().catch(() => undefined);
        await exited;
      },
    };
  }

  #keepStuck(name: string, program: SupervisedProgram): void {
    this.#stuck.set(name, program);
    void program.gone.then(() => this.#stuck.delete(name));
  }

  /** A second copy beside one that has not ended may damage the data of both. */
  async #refuseStuck(name: string): Promise<void> {
    const members = (await this.#stuck.get(name)?.members()) ?? [];
    if (members.length === 0) return;
    const names = members.map((member) => `${member.pid} (${member.name}, state ${member.state})`).join(", ");
    throw new SluiceError("LOAD_FAILED", `${name}: processes of its previous start still run: ${names}`, {
      errnum: ERRNO.EBUSY,
    });
  }
}

function commandOf({ command }: Pick<ModuleSpec, "command">): CommandLine {
  if (command !== undefined) return command;
  throw new SluiceError("LOAD_FAILED", "the loader 'command' needs a unit with 'command'", {
    errnum: ERRNO.EINVAL,
  });
}
