import { requestError } from "../../../src/errors/index.js";
import type { ModuleExit, ModuleLoader, ModuleSpec } from "../../../src/loaders/index.js";
import { channelPair, type ModuleMain, runModuleMain } from "../../../src/messages/index.js";
import type { ModuleFinder } from "../../../src/broker/index.js";

/** Runs module code in the test's own thread, as a loader does in another: `/mem/NAME` runs what is registered there. */
export class MemoryLoader implements ModuleLoader {
  readonly name = "thread";
  readonly suffixes = [];
  /** Every start, in order. */
  readonly started: ModuleSpec[] = [];
  readonly #mains: Map<string, ModuleMain>;
  readonly #crashes = new Map<string, (exit: ModuleExit) => void>();

  constructor(mains: Readonly<Record<string, ModuleMain>>) {
    this.#mains = new Map(Object.entries(mains));
  }

  /** Replaces the code of a module, as if its file had changed. */
  set(name: string, main: ModuleMain): void {
    this.#mains.set(name, main);
  }

  readonly find: ModuleFinder = ({ path }) => {
    const name = path.replace("/mem/", "");
    if (!this.#mains.has(name))
      return Promise.reject(requestError("ENOENT", "module not found in search path"));
    return Promise.resolve({ path: `/mem/${name}`, name, loader: this });
  };

  start(spec: ModuleSpec): Promise<ReturnType<MemoryLoader["run"]>> {
    this.started.push(spec);
    return Promise.resolve(this.run(spec));
  }

  /** Ends a module as a crash of its process does. */
  crash(name: string, message: string): void {
    this.#crashes.get(name)?.({ kind: "died", message });
  }

  run(spec: ModuleSpec) {
    const main = this.#mains.get(spec.path.replace("/mem/", ""));
    const [ours, theirs] = channelPair();
    const exited = new Promise<ModuleExit>((resolve) => {
      const end = (exit: ModuleExit): void => {
        theirs.close();
        resolve(exit);
      };
      this.#crashes.set(spec.name, end);
      void runModuleMain(theirs, () =>
        main === undefined ? Promise.reject(new Error("no such code")) : Promise.resolve(main),
      ).then(resolve);
    });
    return {
      channel: ours,
      exited,
      terminate: async (): Promise<void> => {
        this.crash(spec.name, "terminated");
        await exited;
      },
    };
  }
}
