import { resolve } from "node:path";
import { fields, type Handle, type NodeId } from "../../messages/index.js";
import { ExitError } from "../terminal/output.js";

/** A path in the form for the broker, which runs in another directory. A bare name stays one. */
export function modulePath(text: string): string {
  return text.includes("/") ? resolve(text) : text;
}

/**
 * The name of a module, for a request to the module itself.
 * @param text its name, or the path that it was loaded from
 * @param rank the rank on which it is loaded
 */
export async function loadedName(handle: Handle, text: string, rank: NodeId = "any"): Promise<string> {
  if (!text.includes("/")) return text;
  const path = resolve(text);
  const { modules } = fields(await handle.rpc("module.list", undefined, { rank }), { modules: "array" });
  const loaded = modules.map((module) => fields(module, { name: "string", path: "string" }));
  const found = loaded.find((module) => module.path === path);
  if (found === undefined) throw new ExitError(1, `${text}: no module is loaded from this file`);
  return found.name;
}
