import { requestError } from "../../errors/index.js";
import type { JsonValue } from "../../messages/index.js";
import { childAt, encodeKey, isBelow, pastSubtree, prefixOf } from "./key.js";
import type { Entry } from "./node.js";
import type { Tree } from "./tree.js";

/** An entry of a directory: a value, or (`dir`) a directory. */
export interface DirEntry {
  readonly name: string;
  readonly dir: boolean;
}

/**
 * The value of a key.
 * @throws `ENOENT`, `EISDIR`, `EINVAL`
 */
export async function readKey(
  tree: Tree,
  key: string,
  valueOf: (entry: Entry) => Promise<JsonValue>,
): Promise<JsonValue> {
  const encoded = encodeKey(key);
  const found = await tree.nearest(encoded, "after");
  if (found?.key === encoded) return await valueOf(found.entry);
  if (found !== undefined && isBelow(found.key, encoded))
    throw requestError("EISDIR", `${key} is a directory`);
  throw requestError("ENOENT", `no key ${key}`);
}

/**
 * Names directly below a directory, sorted; of the whole store without a key.
 * @throws `ENOENT`, `ENOTDIR` for a value, `EINVAL`
 */
export async function readDirectory(tree: Tree, key: string | undefined): Promise<readonly DirEntry[]> {
  const encoded = key === undefined ? undefined : encodeKey(key);
  const prefix = prefixOf(encoded);
  const entries: DirEntry[] = [];
  let found = await tree.nearest(prefix, "after");
  while (found?.key.startsWith(prefix) === true) {
    const child = childAt(found.key, prefix);
    entries.push(child);
    found = await tree.nearest(pastSubtree(prefix + child.name), "after");
  }
  if (key === undefined || encoded === undefined || entries.length > 0) return entries;
  const value = await tree.get(encoded);
  throw value === undefined
    ? requestError("ENOENT", `no directory ${key}`)
    : requestError("ENOTDIR", `${key} is a value`);
}
