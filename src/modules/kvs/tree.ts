import type { Child, Entry, Inner, Leaf, NodeOf, TreeNode } from "./node.js";

/**
 * Most items of a node. A larger number means fewer, larger writes, because a commit writes one node for each
 * level.
 */
export const NODE_MAX_ITEMS = 32;
/**
 * A change joins a node with fewer items with its neighbour. The number is well below half, so that a split is not
 * undone at once.
 */
const NODE_MIN_ITEMS = 8;
/** The number of nodes that it reads in parallel. */
const NODES_AHEAD = 8;

/** Reads a stored node. */
export type LoadNode = (ref: string) => Promise<TreeNode> | TreeNode;

/** A key of the tree, with its content. */
export interface Found {
  readonly key: string;
  readonly entry: Entry;
}

/** The place at which a descent passed an inner node. */
interface Passage {
  readonly parent: Inner;
  readonly index: number;
}

/**
 * A B+-tree that never changes: a change makes a new tree. The new tree shares all nodes with the old one,
 * except for the log n nodes on the way to the key. So a reader keeps a consistent picture while commits
 * continue. A commit that fails needs no undoing. A tree holds only new nodes. It reads stored ones through
 * `load`, which caches them.
 */
export class Tree {
  readonly root: Child | undefined;
  readonly #load: LoadNode;

  constructor(load: LoadNode, root: Child | undefined) {
    this.#load = load;
    this.root = root;
  }

  async get(key: string): Promise<Entry | undefined> {
    const found = await this.nearest(key, "before");
    return found?.key === key ? found.entry : undefined;
  }

  /** The key itself if it exists, else the one directly before or after it. */
  async nearest(key: string, side: "before" | "after"): Promise<Found | undefined> {
    return this.root === undefined ? undefined : await this.#nearestIn(this.root, key, side);
  }

  /** The search continues with the children beside: earlier versions left empty leaves in some trees. */
  async #nearestIn(child: Child, key: string, side: "before" | "after"): Promise<Found | undefined> {
    const node = await this.#node(child);
    if (node.kind === "leaf") {
      const index = lastAtMost(node.keys, key);
      const at = side === "before" || node.keys[index] === key ? index : index + 1;
      return at >= 0 && at < node.keys.length ? foundAt(node, at) : undefined;
    }
    const step = side === "before" ? -1 : 1;
    for (let index = indexFor(node.keys, key); ; index += step) {
      const beside = node.items[index];
      if (beside === undefined) return undefined;
      const found = await this.#nearestIn(beside, key, side);
      if (found !== undefined) return found;
    }
  }

  /** All leaves, in order. It reads neighbouring leaves together. */
  async *leaves(): AsyncGenerator<Leaf, void> {
    if (this.root !== undefined) yield* this.#leavesOf([this.root]);
  }

  async *#leavesOf(children: readonly Child[]): AsyncGenerator<Leaf, void> {
    for (let at = 0; at < children.length; at += NODES_AHEAD) {
      const some = children.slice(at, at + NODES_AHEAD);
      for (const node of await Promise.all(some.map((child) => this.#node(child)))) {
        if (node.kind === "leaf") yield node;
        else yield* this.#leavesOf(node.items);
      }
    }
  }

  async set(key: string, entry: Entry): Promise<Tree> {
    return await this.#change(key, (leaf) => {
      const index = lastAtMost(leaf.keys, key);
      const [at, replaced] = leaf.keys[index] === key ? [index, 1] : [index + 1, 0];
      return splice(leaf, [at, replaced], [key], [entry]);
    });
  }

  /** Removes a key. A missing key changes nothing. */
  async delete(key: string): Promise<Tree> {
    return await this.#change(key, (leaf) => {
      const index = lastAtMost(leaf.keys, key);
      return leaf.keys[index] === key ? splice(leaf, [index, 1]) : leaf;
    });
  }

  async #change(key: string, edit: (leaf: Leaf) => Leaf): Promise<Tree> {
    const way: Passage[] = [];
    let node: TreeNode = this.root === undefined ? EMPTY_LEAF : await this.#node(this.root);
    while (node.kind === "inner") {
      const index = indexFor(node.keys, key);
      way.push({ parent: node, index });
      node = await this.#node(itemAt(node.items, index));
    }
    const edited = edit(node);
    if (edited === node) return this;
    let pieces: readonly TreeNode[] = split(edited);
    for (const passage of way.reverse()) pieces = split(await this.#replace(passage, pieces));
    return new Tree(this.#load, topOf(pieces));
  }

  /**
   * Replaces a child by its new pieces. A piece that became too small is first joined with its neighbour. Without a
   * neighbour, an empty piece goes away, and the level above joins the empty parent.
   */
  async #replace({ parent, index }: Passage, pieces: readonly TreeNode[]): Promise<Inner> {
    const [only] = pieces;
    if (pieces.length > 1 || only === undefined || !isSmall(only)) return putPieces(parent, index, 1, pieces);
    if (parent.items.length === 1) return putPieces(parent, 0, 1, only.items.length === 0 ? [] : pieces);
    const left = Math.max(0, index - 1);
    const neighbour = await this.#node(itemAt(parent.items, left === index ? index + 1 : left));
    const joined = left === index ? join(only, neighbour) : join(neighbour, only);
    return putPieces(parent, left, 2, split(joined));
  }

  async #node(child: Child): Promise<TreeNode> {
    return typeof child === "string" ? await this.#load(child) : child;
  }
}

const EMPTY_LEAF: Leaf = { kind: "leaf", keys: [], items: [] };

function foundAt(leaf: Leaf, index: number): Found {
  return { key: itemAt(leaf.keys, index), entry: itemAt(leaf.items, index) };
}

/** Index of the last key that is not greater than this one; -1 if all are greater. */
function lastAtMost(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (itemAt(keys, middle) <= key) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** The index of the child in whose range a key is. */
function indexFor(keys: readonly string[], key: string): number {
  return Math.max(0, lastAtMost(keys, key));
}

function isSmall(node: TreeNode): boolean {
  return node.items.length < NODE_MIN_ITEMS;
}

function splice<Kind, Item>(
  node: NodeOf<Kind, Item>,
  [at, count]: readonly [at: number, count: number],
  keys: readonly string[] = [],
  items: readonly Item[] = [],
): NodeOf<Kind, Item> {
  return {
    kind: node.kind,
    keys: node.keys.toSpliced(at, count, ...keys),
    items: node.items.toSpliced(at, count, ...items),
  };
}

/** The first piece replaces the old child and keeps its boundary. A second one begins with its own first key. */
function putPieces(parent: Inner, at: number, count: number, pieces: readonly TreeNode[]): Inner {
  const keys = pieces.map((piece, index) =>
    itemAt(index === 0 ? parent.keys : piece.keys, index === 0 ? at : 0),
  );
  return splice(parent, [at, count], keys, pieces);
}

function split(node: TreeNode): readonly TreeNode[] {
  if (node.items.length <= NODE_MAX_ITEMS) return [node];
  return node.kind === "leaf" ? halves(node) : halves(node);
}

function halves<Kind, Item>(node: NodeOf<Kind, Item>): readonly NodeOf<Kind, Item>[] {
  const half = node.items.length >>> 1;
  return [splice(node, [half, half + 1]), splice(node, [0, half])];
}

/** The first key of an inner node is its boundary in the parent, and so becomes a key inside. */
function join(left: TreeNode, right: TreeNode): TreeNode {
  if (left.kind === "leaf" && right.kind === "leaf") return append(left, right);
  if (left.kind === "inner" && right.kind === "inner") return append(left, right);
  throw new RangeError("a level of the tree has leaves or inner nodes, never both");
}

function append<Kind, Item>(left: NodeOf<Kind, Item>, right: NodeOf<Kind, Item>): NodeOf<Kind, Item> {
  return splice(left, [left.items.length, 0], right.keys, right.items);
}

function topOf(pieces: readonly TreeNode[]): Child | undefined {
  const [first] = pieces;
  if (first === undefined || first.items.length === 0) return undefined;
  if (pieces.length > 1) {
    return { kind: "inner", keys: pieces.map((piece) => itemAt(piece.keys, 0)), items: pieces };
  }
  return first.kind === "inner" && first.items.length === 1 ? itemAt(first.items, 0) : first;
}

function itemAt<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new RangeError(`no item ${index} in a node of ${items.length}`);
  return item;
}
