import type { createJiti } from "jiti";
import { importUrl } from "./import-url.js";
import { isAddon } from "./native/is-addon.js";
// This import does not use the index, because the bundles of hosts do not contain the compiler.
import { runPrepared } from "../typescript/prepared-code.js";
import type { ModuleFile, WorkerSetup } from "./thread-protocol.js";

interface JitiPackage {
  readonly createJiti: typeof createJiti;
}

/** Paths that this thread or process has imported before, with the number of imports. */
const imported = new Map<string, number>();

/** How many versions of a file this thread or process has in memory: Node never lets go of an ES module. */
export function generationsOf(path: string): number {
  return imported.get(path) ?? 1;
}

/** Libraries that this thread has imported, by file and digest: their modules share the state of the file. */
const libraries = new Map<string, Promise<unknown>>();

/** The exports of a module's file; for a library, the same object for each of its modules while the file is unchanged. */
export function importModule(order: ModuleFile, setup: WorkerSetup): Promise<unknown> {
  const { path, member } = order;
  if (member === undefined) return importFile(order, setup);
  const key = `${member.digest} ${path}`;
  const known = libraries.get(key) ?? importFile(order, setup);
  libraries.set(key, known);
  return known;
}

/**
 * The exports of a module's file. Each load evaluates the file again: modules of one thread share no state.
 * An edited file is read again.
 * @returns the namespace object, or the exports of a CommonJS module
 */
async function importFile(order: ModuleFile, setup: WorkerSetup): Promise<unknown> {
  const { path, prepared } = order;
  if (prepared !== undefined) {
    const ours = await importLibrary(setup, prepared.libraries);
    return runPrepared(prepared, (name) => ours[name]);
  }
  if (path.endsWith(".cjs")) return withSyntaxPlace(path, () => requireAnew(path));
  if (isAddon(path)) return openAddonAt(order);
  if (/\.m?ts$/.test(path)) return importWithJiti(order, setup);
  try {
    return await withSyntaxPlace(path, () => importPlain(order));
  } catch (error) {
    if (lacksLibrary(path, error)) return importWithJiti(order, setup);
    throw error;
  }
}

async function openAddonAt({ path, cacheDir }: ModuleFile): Promise<unknown> {
  const { openAddon } = await import("./native/addon.js");
  return openAddon(path, cacheDir);
}

async function withSyntaxPlace(path: string, load: () => unknown): Promise<unknown> {
  try {
    return await load();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    // No thread loads it at its start, because few threads need it.
    const { withPlace } = await import("./source/syntax-place.js");
    throw await withPlace(error, path);
  }
}

async function importPlain({ path, url }: ModuleFile): Promise<unknown> {
  const times = imported.get(path) ?? 0;
  imported.set(path, times + 1);
  if (times === 0) return await importUrl(url);
  // The query makes a new ES module. The cache has CommonJS modules by path.
  Reflect.deleteProperty(requireFrom(path).cache, path);
  return await importUrl(`${url}?load=${times}`);
}

/**
 * Imports a file by `require`. The loader of ES modules then need not start, which would take a fifth of the start of
 * a thread.
 */
function requireAnew(path: string): unknown {
  const require = requireFrom(path);
  Reflect.deleteProperty(require.cache, path);
  return require(path) as unknown;
}

/**
 * Imports a file by jiti, which is slower than Node. It supports all of TypeScript, and finds our library
 * where Node does not.
 */
async function importWithJiti({ path, url, cacheDir }: ModuleFile, setup: WorkerSetup): Promise<unknown> {
  const [jitiPackage, virtualModules, { jitiTransform }] = await Promise.all([
    importUrl(setup.jiti) as Promise<JitiPackage>,
    importLibrary(setup, Object.keys(setup.library)),
    import("../typescript/jiti-code.js"),
  ]);
  const jiti = jitiPackage.createJiti(url, {
    // It never uses the shared temporary directory, where other users may have put code.
    fsCache: false,
    transform: await jitiTransform(cacheDir),
    moduleCache: false,
    virtualModules,
  });
  return jiti.import(path);
}

async function importLibrary(
  { library }: WorkerSetup,
  names: readonly string[],
): Promise<Readonly<Record<string, unknown>>> {
  const entries = names.map(async (name) => [name, await importUrl(library[name] ?? name)] as const);
  return Object.fromEntries(await Promise.all(entries));
}

/** Whether an import failed, and our library cannot be found from the directory of the file. */
function lacksLibrary(path: string, error: unknown): boolean {
  if (!(error instanceof Error) || !("code" in error) || error.code !== "ERR_MODULE_NOT_FOUND") return false;
  try {
    requireFrom(path).resolve("sluice");
    return false;
  } catch (cause) {
    return cause instanceof Error;
  }
}

/** This import is not at the top, because each thread would wait for it, although few modules need it. */
function requireFrom(path: string): NodeJS.Require {
  return process.getBuiltinModule("node:module").createRequire(path);
}
