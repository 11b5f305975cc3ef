import type { createJiti } from "jiti";
import type { PreparedCode, WorkerOrder, WorkerSetup } from "./thread-protocol.js";

type LoadOrder = WorkerOrder & { readonly kind: "load" };

interface JitiPackage {
  readonly createJiti: typeof createJiti;
}

/** Paths that this thread has imported before. */
const imported = new Set<string>();

/**
 * What a module's file exports. Each load evaluates the file anew: modules of one thread share no state, and a file that
 * was edited is read again.
 * @returns the namespace object, or the exports of a CommonJS module
 */
export async function importModule(order: LoadOrder, setup: WorkerSetup): Promise<unknown> {
  const { path, prepared } = order;
  if (prepared !== undefined) return evaluate(path, prepared, setup);
  if (/\.m?ts$/.test(path)) return importWithJiti(order, setup);
  try {
    return await importPlain(order);
  } catch (error) {
    if (await lacksLibrary(path, error)) return importWithJiti(order, setup);
    throw error;
  }
}

async function importPlain({ path, url, id }: LoadOrder): Promise<unknown> {
  if (!imported.has(path)) {
    imported.add(path);
    return (await import(url)) as unknown;
  }
  const { createRequire } = await import("node:module");
  // The query makes a new ES module; CommonJS ones are remembered by path.
  Reflect.deleteProperty(createRequire(path).cache, path);
  return (await import(`${url}?load=${id}`)) as unknown;
}

/** Runs code that the loader has made of a TypeScript file. */
async function evaluate(
  path: string,
  { code, libraries }: PreparedCode,
  setup: WorkerSetup,
): Promise<unknown> {
  const [vm, { createRequire }, paths] = await Promise.all([
    import("node:vm"),
    import("node:module"),
    import("node:path"),
  ]);
  const ours = await importLibrary(setup, libraries);
  const native = createRequire(path);
  const module = { exports: {} };
  const run = vm.compileFunction(code, ["exports", "require", "module", "__filename", "__dirname"], {
    filename: path,
  }) as (...context: unknown[]) => void;
  const require = (id: string): unknown => (Object.hasOwn(ours, id) ? ours[id] : native(id));
  run(module.exports, require, module, path, paths.dirname(path));
  return module.exports;
}

/** Slower, but takes TypeScript in several files, and finds our library where Node does not. */
async function importWithJiti({ path, url, cacheDir }: LoadOrder, setup: WorkerSetup): Promise<unknown> {
  const [jitiPackage, virtualModules] = await Promise.all([
    import(setup.jiti) as Promise<JitiPackage>,
    importLibrary(setup, Object.keys(setup.library)),
  ]);
  const jiti = jitiPackage.createJiti(url, {
    // Never the shared temporary directory, where others may have put code.
    fsCache: cacheDir ?? false,
    moduleCache: false,
    virtualModules,
  });
  return jiti.import(path);
}

async function importLibrary(
  { library }: WorkerSetup,
  names: readonly string[],
): Promise<Readonly<Record<string, unknown>>> {
  const entries = names.map(
    async (name) => [name, (await import(library[name] ?? name)) as unknown] as const,
  );
  return Object.fromEntries(await Promise.all(entries));
}

/** Whether a file failed to import something and our library cannot be found from where it lies. */
async function lacksLibrary(path: string, error: unknown): Promise<boolean> {
  if (!(error instanceof Error) || !("code" in error) || error.code !== "ERR_MODULE_NOT_FOUND") return false;
  const { createRequire } = await import("node:module");
  try {
    createRequire(path).resolve("sluice");
    return false;
  } catch (cause) {
    return cause instanceof Error;
  }
}
