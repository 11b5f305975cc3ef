import type * as Yaml from "yaml";
import type { Alias, Node, YAMLMap, YAMLSeq } from "yaml";
import type { SyntaxProblem } from "./parsed-document.js";
import type { Span } from "../source.js";
import { quoted } from "../text.js";

/**
 * The limit counts values with their aliases resolved, so that a kilobyte of aliases cannot become a billion values.
 */
const VALUE_LIMIT = 1_000_000;

interface Anchored {
  readonly node: Node;
  /** undefined while the reader is inside the value: an alias inside it would make the value endless. */
  value: { readonly plain: unknown; readonly size: number } | undefined;
}

/**
 * Turns the nodes of a YAML document into plain values. The library's own conversion gives tables with a prototype.
 * It searches the whole document for each alias, and checks duplicate keys in quadratic time. Recursive, because the
 * depth of the nodes was checked before.
 */
export class YamlReader {
  readonly problems: SyntaxProblem[] = [];
  /** The target of each alias, for places. */
  readonly targets = new Map<Alias, Node>();
  readonly #yaml: typeof Yaml;
  readonly #anchors = new Map<string, Anchored>();
  #size = 0;

  constructor(yaml: typeof Yaml) {
    this.#yaml = yaml;
  }

  /** The plain value of a node. Its problems go to `problems`. */
  read(node: Node | null): unknown {
    if (this.#yaml.isAlias(node)) return this.#readAlias(node);
    if (!this.#yaml.isScalar(node) && !this.#yaml.isCollection(node)) return null;
    const anchored: Anchored = { node, value: undefined };
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, anchored);
    const before = this.#size;
    this.#grow(1, node);
    const plain = this.#readPlain(node);
    anchored.value = { plain, size: this.#size - before };
    return plain;
  }

  #readPlain(node: Node): unknown {
    if (this.#yaml.isMap(node)) return this.#readMap(node);
    if (this.#yaml.isSeq(node)) return this.#readSeq(node);
    return this.#yaml.isScalar(node) ? node.value : null;
  }

  #readAlias(alias: Alias): unknown {
    const anchored = this.#anchors.get(alias.source);
    if (anchored?.value === undefined) {
      this.#report(anchored === undefined ? "unknown anchor" : "recursive alias inside its anchor", alias);
      return null;
    }
    this.targets.set(alias, anchored.node);
    this.#grow(anchored.value.size, alias);
    return anchored.value.plain;
  }

  #readSeq(seq: YAMLSeq): unknown[] {
    return seq.items.map((item) => this.read(this.#yaml.isNode(item) ? item : null));
  }

  #readMap(map: YAMLMap): object {
    const table = Object.create(null) as Record<string, unknown>;
    for (const { key, value } of map.items) {
      if (!this.#yaml.isScalar(key) || typeof key.value !== "string") {
        this.#report("keys must be strings", this.#yaml.isNode(key) ? key : map);
      } else if (key.value === "__proto__") {
        this.#report("document contains an unsafe property", key);
      } else if (Object.hasOwn(table, key.value)) {
        this.#report(`duplicate key ${quoted(key.value)}`, key);
      } else {
        table[key.value] = this.read(this.#yaml.isNode(value) ? value : null);
      }
    }
    return table;
  }

  #grow(size: number, node: Node): void {
    const isWithin = this.#size <= VALUE_LIMIT;
    this.#size += size;
    if (isWithin && this.#size > VALUE_LIMIT) this.#report("too many values", node);
  }

  #report(message: string, node: Node): void {
    this.problems.push({ message, span: nodeSpan(node) });
  }
}

/** The part of the text that a node covers. */
export function nodeSpan(node: Node): Span {
  const [start, end] = node.range ?? [0, 0];
  return { start, end };
}
