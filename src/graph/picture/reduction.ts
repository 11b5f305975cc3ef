import type { Csr } from "../csr.js";

/** Number of nodes whose order is computed at a time: 32 words a node, for any number of nodes. */
const BLOCK = 1024;

/**
 * Which edges of a graph without cycles follow from the others (its transitive reduction). It takes a block
 * of sources at a time, so that memory stays linear.
 * @param predecessors for each node all its predecessors, which have smaller numbers, without repeats
 * @returns for each item of `predecessors` 1 if it is implied, else 0
 */
export function impliedEdges(predecessors: Csr): Uint8Array {
  const implied = new Uint8Array(predecessors.items.length);
  const words = Math.ceil(Math.min(BLOCK, predecessors.rowCount) / 32);
  const ancestors = new Uint32Array(predecessors.rowCount * words);
  for (let first = 0; first < predecessors.rowCount; first += BLOCK) {
    ancestors.fill(0);
    markBlock(predecessors, first, words, ancestors, implied);
  }
  return implied;
}

/** @param ancestors filled on the way: for each node its predecessors in the block, a bit each */
function markBlock(
  predecessors: Csr,
  first: number,
  words: number,
  ancestors: Uint32Array,
  implied: Uint8Array,
): void {
  for (let node = first + 1; node < predecessors.rowCount; node++) {
    const own = node * words;
    for (let e = predecessors.start(node); e < predecessors.end(node); e++) {
      const theirs = predecessors.item(e) * words;
      for (let word = 0; word < words; word++)
        ancestors[own + word] = (ancestors[own + word] ?? 0) | (ancestors[theirs + word] ?? 0);
    }
    // Up to this line these are the ancestors of its predecessors. A predecessor among them has another path through
    // another predecessor.
    for (let e = predecessors.start(node); e < predecessors.end(node); e++) {
      const place = predecessors.item(e) - first;
      if (place < 0 || place >= BLOCK) continue;
      if ((((ancestors[own + (place >>> 5)] ?? 0) >>> (place & 31)) & 1) === 1) implied[e] = 1;
    }
    for (let e = predecessors.start(node); e < predecessors.end(node); e++) {
      const place = predecessors.item(e) - first;
      if (place < 0 || place >= BLOCK) continue;
      const word = own + (place >>> 5);
      ancestors[word] = (ancestors[word] ?? 0) | (1 << (place & 31));
    }
  }
}
