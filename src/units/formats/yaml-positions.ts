import type * as Yaml from "yaml";
import type { Alias, Node, Pair, YAMLMap } from "yaml";
import type { Part, Path, Positions, Span } from "../source.js";
import { nodeSpan } from "./yaml-reader.js";

/** The places of the values of a YAML document. */
export class YamlPositions implements Positions {
  readonly #yaml: typeof Yaml;
  readonly #contents: Node | null;
  readonly #targets: ReadonlyMap<Alias, Node>;
  /** Entries of tables by key, made when a table is first read. */
  readonly #entries = new Map<YAMLMap, ReadonlyMap<string, Pair>>();

  /** @param targets what each alias stands for */
  constructor(yaml: typeof Yaml, contents: Node | null, targets: ReadonlyMap<Alias, Node>) {
    this.#yaml = yaml;
    this.#contents = contents;
    this.#targets = targets;
  }

  find(path: Path, part: Part): Span | undefined {
    let node: unknown = this.#contents;
    let key: unknown = node;
    for (const step of path) {
      if (this.#yaml.isAlias(node)) node = this.#targets.get(node);
      if (this.#yaml.isMap(node)) {
        const pair = this.#entriesOf(node).get(String(step));
        if (pair === undefined) return undefined;
        key = pair.key;
        node = pair.value;
      } else if (this.#yaml.isSeq(node)) {
        node = node.items[Number(step)];
        key = node;
      } else {
        return undefined;
      }
    }
    const found = part === "key" ? key : (node ?? key);
    return this.#yaml.isNode(found) ? nodeSpan(found) : undefined;
  }

  #entriesOf(map: YAMLMap): ReadonlyMap<string, Pair> {
    let entries = this.#entries.get(map);
    if (entries === undefined) {
      entries = new Map(
        map.items.map((pair) => [this.#yaml.isScalar(pair.key) ? String(pair.key.value) : "", pair]),
      );
      this.#entries.set(map, entries);
    }
    return entries;
  }
}
