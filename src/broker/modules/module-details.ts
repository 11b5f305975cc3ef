import type { JsonValue } from "../../messages/index.js";
import type { Router } from "../routing/router.js";
import { describeEntry, type ModuleEntry } from "./module-entry.js";
import { contentOf, type FileContent } from "./module-finder.js";

/** How the file of a module compares with the one that the module was loaded from. */
type FileState = "same" | "changed" | "missing";

/**
 * A module as `module.list` has it, with its file, and the thread or process that it runs in.
 * @param isCompared whether to compare its file with the one that it was loaded from
 */
export async function detailsOf(
  entry: ModuleEntry,
  router: Router,
  isCompared: boolean,
): Promise<Readonly<Record<string, JsonValue>>> {
  const content = await entry.content;
  const fileState = isCompared ? await fileStateOf(entry, content) : undefined;
  const { instance, file } = entry;
  return {
    ...describeEntry(entry, router),
    digest: content?.digest ?? null,
    size: content?.size ?? null,
    loader: file?.loader.name ?? null,
    pid: instance?.usage.pid ?? null,
    thread: threadOf(entry),
    ...(isCompared && { fileState: fileState ?? null }),
  };
}

/** Undefined for a program, and for a module whose file was not found yet. */
async function fileStateOf(
  { file, isProgram }: ModuleEntry,
  loaded: FileContent | undefined,
): Promise<FileState | undefined> {
  if (file === undefined || isProgram) return undefined;
  const now = await contentOf(file.path);
  if (now === undefined) return "missing";
  return now.digest === loaded?.digest ? "same" : "changed";
}

/** `own`, or the name of its thread group; null for a module in a process. */
function threadOf({ file, instance }: ModuleEntry): string | null {
  if (file?.loader.name !== "thread") return null;
  return instance?.sharedThread?.name ?? "own";
}

/** The services of the broker itself, in the form of {@link detailsOf}. */
export function builtinDetails(router: Router): Readonly<Record<string, JsonValue>>[] {
  return router.services.ofBroker().map((name) => ({
    ...{ name, uuid: "", path: "builtin", args: [], state: "R", idleSeconds: 0, owedSeconds: 0 },
    ...{ sendq: 0, recvq: 0, services: [], explicit: false },
    ...{ digest: null, size: null, loader: "builtin", pid: null, thread: null },
  }));
}
