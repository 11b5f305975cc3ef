import type { Payload } from "../../messages/index.js";
import type { Content } from "./content.js";
import { endLine, headerLine, keyLine } from "./dump-format.js";
import type { Leaf } from "./node.js";
import type { KvsStore } from "./store.js";

/** A response of the stream has at most this many bytes of lines, except where a single line has more. */
const CHUNK_BYTES = 512 * 1024;

/**
 * The newest version as a stream of text in bytes. It has a line for each key, in the order of the tree, between a
 * first and a last line. Values go through as they are stored. Garbage collection keeps the blobs that it reads until
 * the end.
 */
export async function* dump(store: KvsStore, content: Content): AsyncGenerator<Payload, void> {
  const { snapshot, release } = store.pin();
  try {
    let parts: Uint8Array[] = [Buffer.from(headerLine(snapshot.version, Date.now() / 1000))];
    let bytes = 0;
    let keys = 0;
    for await (const leaf of snapshot.tree.leaves()) {
      for (const line of await linesOf(leaf, content)) {
        if (bytes + line.length > CHUNK_BYTES && parts.length > 0) {
          yield Buffer.concat(parts);
          [parts, bytes] = [[], 0];
        }
        parts.push(line);
        bytes += line.length;
      }
      keys += leaf.keys.length;
    }
    yield Buffer.concat([...parts, Buffer.from(endLine(keys))]);
  } finally {
    release();
  }
}

/** Reads the large values of a leaf together. */
async function linesOf({ keys, items }: Leaf, content: Content): Promise<Uint8Array[]> {
  return await Promise.all(
    items.map(async (entry, index) => {
      const text =
        "value" in entry
          ? JSON.stringify(entry.value)
          : Buffer.from(await content.load(entry.ref)).toString();
      return Buffer.from(keyLine(keys[index] ?? "", text, entry));
    }),
  );
}
