import type { Change, Definition, Fragment, NamedReference } from "../fragment.js";
import type { ListEdit, Setting } from "../settings.js";
import { type Path, type Source, SourceOrigin } from "../source.js";
import { CHANGES, EDITS, LIST, type Packed, UNIT_KINDS } from "./packed.js";

/**
 * The content of a file, restored from its packed form.
 * @param source the file
 * @throws RangeError if it is incomplete
 */
export function unpackFragment(packed: Packed, source: Source): Fragment {
  return new Unpacker(packed, source).unpack();
}

const NO_EDITS: readonly ListEdit[] = [];

/**
 * An array to fill, with exactly the room that it needs. An array that grows keeps room for sixteen more elements.
 */
function newArray<T>(length: number): T[] {
  if (length < 0 || length > LONGEST) throw new RangeError("impossible length");
  return new Array<T>(length);
}

/** No list of a file is longer. */
const LONGEST = 2 ** 27;

class Unpacker {
  readonly #texts: readonly string[];
  readonly #values: readonly unknown[];
  readonly #codes: Int32Array;
  readonly #source: Source;
  #at = 0;

  constructor({ texts, values, bare, codes }: Packed, source: Source) {
    this.#texts = texts;
    const isBare = new Set(bare);
    this.#values = values.map((value, id) =>
      isBare.has(id) ? Object.assign(Object.create(null) as object, value) : value,
    );
    this.#codes = codes;
    this.#source = source;
  }

  unpack(): Fragment {
    const definitions = this.#many(() => this.#definition());
    const changes = this.#many(() => this.#change());
    const load = this.#many(() => this.#reference());
    const remove = this.#many(() => this.#reference());
    if (this.#at !== this.#codes.length) throw new RangeError("more codes than expected");
    return { source: this.#source, definitions, changes, load, remove };
  }

  #definition(): Definition {
    const name = this.#text(this.#code());
    const kind = this.#of(UNIT_KINDS);
    const library = this.#code();
    const { source, path, settings, edits } = this.#setting();
    return {
      source,
      path,
      settings,
      edits,
      kind,
      name,
      isCode: false,
      library: library < 0 ? undefined : this.#text(library),
    };
  }

  #change(): Change {
    const kind = this.#of(CHANGES);
    const name = this.#text(this.#code());
    if (kind === "update") return { kind, target: name, setting: this.#setting() };
    return { kind, service: name, unit: this.#text(this.#code()), origin: this.#origin() };
  }

  #reference(): NamedReference {
    return { name: this.#text(this.#code()), origin: this.#origin() };
  }

  #origin(): SourceOrigin {
    return new SourceOrigin(this.#source, this.#path());
  }

  #setting(): Setting {
    const path = this.#path();
    const settings: Record<string, unknown> = {};
    for (let left = this.#code(); left > 0; left--) {
      const key = this.#text(this.#code());
      settings[key] = this.#code() === LIST ? this.#list() : this.#value(this.#code());
    }
    const count = this.#code();
    const edits = count === 0 ? NO_EDITS : Array.from({ length: count }, () => this.#edit());
    // The packed data came from settings.
    return { source: this.#source, path, settings, edits };
  }

  #edit(): ListEdit {
    const key = this.#text(this.#code()) as ListEdit["key"];
    return { key, op: this.#of(EDITS), items: this.#list() };
  }

  #path(): Path {
    const path = newArray<string | number>(this.#code());
    for (let i = 0; i < path.length; i++) {
      const step = this.#code();
      path[i] = step < 0 ? this.#text(~step) : step;
    }
    return path;
  }

  #list(): string[] {
    const list = newArray<string>(this.#code());
    for (let i = 0; i < list.length; i++) list[i] = this.#text(this.#code());
    return list;
  }

  #many<T>(one: () => T): T[] {
    const all = newArray<T>(this.#code());
    for (let i = 0; i < all.length; i++) all[i] = one();
    return all;
  }

  #of<T>(all: readonly T[]): T {
    const one = all[this.#code()];
    if (one === undefined) throw new RangeError("unknown code");
    return one;
  }

  #value(id: number): unknown {
    if (id < 0 || id >= this.#values.length) throw new RangeError("unknown value");
    return this.#values[id];
  }

  #text(id: number): string {
    const text = this.#texts[id];
    if (text === undefined) throw new RangeError("unknown text");
    return text;
  }

  #code(): number {
    const code = this.#codes[this.#at++];
    if (code === undefined) throw new RangeError("fewer codes than expected");
    return code;
  }
}
