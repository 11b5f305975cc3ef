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
  if (path.endsWith(".cjs")) return requireAnew(path);
  if (/\.m?ts$/.test(path)) return importWithJiti(order, setup);
  try {
    return await importPlain(order);
  } catch (error) {
    if (lacksLibrary(path, error)) return importWithJiti(order, setup);
    throw error;
  }
}

async function importPlain({ path, url, id }: LoadOrder): Promise<unknown> {
  if (!imported.has(path)) {
    imported.add(path);
    return (await import(url)) as unknown;
  }
  // The query makes a new ES module; CommonJS ones are remembered by path.
  Reflect.deleteProperty(requireFrom(path).cache, path);
  return (await import(`${url}?load=${id}`)) as unknown;
}

/** Spares the thread the start of the loader of ES modules, which takes a fifth of its start. */
function requireAnew(path: string): unknown {
  const require = requireFrom(path);
  Reflect.deleteProperty(require.cache, path);
  return require(path) as unknown;
}

/** Runs code that the loader has made of a TypeScript file. */
async function evaluate(
  path: string,
  { code, libraries }: PreparedCode,
  setup: WorkerSetup,
): Promise<unknown> {
  const ours = await importLibrary(setup, libraries);
  const native = requireFrom(path);
  const module = { exports: {} };
  const context = ["exports", "require", "module", "__filename", "__dirname"];
  const run = process.getBuiltinModule("node:vm").compileFunction(code, context, { filename: path }) as (
    ...values: unknown[]
  ) => void;
  const require = (id: string): unknown => (Object.hasOwn(ours, id) ? ours[id] : native(id));
  run(module.exports, require, module, path, process.getBuiltinModule("node:path").dirname(path));
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
function lacksLibrary(path: string, error: unknown): boolean {
  if (!(error instanceof Error) || !("code" in error) || error.code !== "ERR_MODULE_NOT_FOUND") return false;
  try {
    requireFrom(path).resolve("sluice");
    return false;
  } catch (cause) {
    return cause instanceof Error;
  }
}

/** Not imported at the top: few modules need it, and each thread would wait for it. */
function requireFrom(path: string): NodeJS.Require {
  return process.getBuiltinModule("node:module").createRequire(path);
}
