import { isErrno } from "../errors/index.js";
import type { ModuleExit } from "../loaders/index.js";
import { fields, type Handle, type Limits } from "../messages/index.js";
import { Broker } from "./broker.js";
import type { ModuleEnd } from "./modules/module-instance.js";
import type { StartedModule } from "./started-module.js";

/** How to start a module without an instance. */
export interface StartModuleOptions extends Limits {
  /** Default: the name in the file, else the file's base name. */
  readonly name?: string | undefined;
  readonly args?: readonly string[] | undefined;
  /** Gets the log lines of the module. */
  readonly onLog?: ((level: string, text: string) => void) | undefined;
  /**
   * Called before the load of the module, with the `handle` of the started module. May register services for
   * the module.
   */
  readonly before?: ((handle: Handle) => Promise<void>) | undefined;
  /** Whether other threads and programs can connect, by `uri`. Default: false. */
  readonly socket?: boolean | undefined;
}

/** The module to start. */
export interface ModuleChoice {
  /** A file, or a bare name on the module path; `#NAME` after it is a module of a library. */
  readonly path: string;
  readonly exec?: boolean | undefined;
  readonly loader?: string | undefined;
  /** Colon-separated. */
  readonly modulePath?: string | undefined;
  readonly insecure?: boolean | undefined;
}

/**
 * Starts a module with a broker of its own, in memory. Resolves when the module runs.
 * @throws SluiceError as `module.load`; by then everything is cleaned up
 */
export async function startModule(
  { path, exec = false, loader, modulePath, insecure }: ModuleChoice,
  { name, args = [], onLog, before, socket = false, signal, timeoutMs }: StartModuleOptions,
): Promise<StartedModule> {
  let settle: (exit: ModuleExit) => void = () => undefined;
  const exited = new Promise<ModuleExit>((resolve) => (settle = resolve));
  const broker = await Broker.start({
    ...{ socket, modulePath, insecure },
    // A test of a module observes its failure, and continues.
    attributes: { "broker.module-nopanic": "1" },
    onLog: ({ level, text }) => onLog?.(level, text),
    onModuleEnd: (end) => settle(exitOf(end)),
  });
  try {
    const handle = await broker.connect();
    await before?.(handle);
    // The caller's use of its handle does not affect the end of the module.
    const control = await broker.connect();
    const choice = { path, args, exec, ...(loader !== undefined && { loader }) };
    const request = { ...choice, ...(name !== undefined && { name }) };
    const answer = await control.rpc("module.load", request, { signal, timeoutMs });
    const loaded = fields(answer, { name: "string" });
    let unloading: Promise<void> | undefined;
    return {
      ...{ name: loaded.name, uri: broker.uri, handle, exited },
      stop: async (limits = {}) => {
        try {
          if (unloading === undefined) await control.rpc("module.remove", { name: loaded.name }, limits);
        } catch (error) {
          // It has ended before, or its end was requested.
          if (!isErrno(error, "ENOENT") && unloading === undefined) throw error;
        }
        await unloading;
      },
      unload: () => (unloading ??= unload(broker, handle)),
    };
  } catch (error) {
    await broker.close();
    throw error;
  }
}

async function unload(broker: Broker, handle: Handle): Promise<void> {
  await handle.close();
  await broker.close();
}

function exitOf(end: ModuleEnd): ModuleExit {
  switch (end.kind) {
    case "ok":
      return { kind: "ok" };
    case "cancelled":
      return { kind: "terminated" };
    case "failed": {
      const { message, errnum, detail } = end;
      return { kind: "error", message, errnum, ...(detail !== message && { stack: detail }) };
    }
  }
}
