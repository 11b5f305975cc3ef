import { isErrno } from "../errors/index.js";
import { fields, type Handle, type Limits } from "../messages/index.js";
import { Broker } from "./broker.js";

/** Options for running a single module. */
export interface RunModuleOptions extends Limits {
  /** Default: the name in the file, else the file's base name. */
  readonly name?: string | undefined;
  readonly args?: readonly string[] | undefined;
  /** Whether to run it in a process rather than a thread. */
  readonly exec?: boolean | undefined;
  /** Name of a loader; by default the file decides. */
  readonly loader?: string | undefined;
  /** Colon-separated directories for a bare name. Default: `FLUX_MODULE_PATH`. */
  readonly modulePath?: string | undefined;
  /** Whether to run it even if others may write to its file (docs/design/instance.md §2). */
  readonly insecure?: boolean | undefined;
  /** Gets the log lines of the module. */
  readonly onLog?: ((level: string, text: string) => void) | undefined;
}

/** A module that runs without an instance. */
export interface LoneModule {
  readonly name: string;
  /** For requests to the module. `handle.registerService` adds services for the module's own requests. */
  readonly handle: Handle;
  /**
   * Removes the module, as `module.remove` does, and cleans up. If the module has failed, it only cleans up.
   * @throws SluiceError with the module's own error if it fails while it ends
   */
  close(): Promise<void>;
}

/**
 * Runs one module without an instance (docs/design/modules.md §4), for its own tests or inside another program. The
 * module has the services of a broker in memory, and the services that the caller registers. No socket is opened.
 * @param path a file, or a bare name on the module path
 * @throws SluiceError as `module.load`: the module's own error, or `ENOENT`; `ECANCELED` or `ETIMEDOUT` at a limit
 */
export async function runModule(path: string, options: RunModuleOptions = {}): Promise<LoneModule> {
  const { name, args = [], exec = false, loader, modulePath, insecure, onLog, signal, timeoutMs } = options;
  const broker = await Broker.start({
    socket: false,
    modulePath,
    insecure,
    // Who tests a module wants to see it fail, and go on.
    attributes: { "broker.module-nopanic": "1" },
    onLog: ({ level, text }) => onLog?.(level, text),
  });
  try {
    const handle = await broker.connect();
    const request = {
      path,
      args,
      exec,
      ...(name !== undefined && { name }),
      ...(loader !== undefined && { loader }),
    };
    const loaded = fields(await handle.rpc("module.load", request, { signal, timeoutMs }), {
      name: "string",
    });
    return { name: loaded.name, handle, close: () => end(broker, handle, loaded.name) };
  } catch (error) {
    await broker.close();
    throw error;
  }
}

async function end(broker: Broker, handle: Handle, name: string): Promise<void> {
  try {
    await handle.rpc("module.remove", { name });
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  } finally {
    await handle.close();
    await broker.close();
  }
}
