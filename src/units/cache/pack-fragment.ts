import type { Origin } from "../../errors/index.js";
import type { Change, Definition, Fragment, NamedReference } from "../fragment.js";
import type { ListEdit, Setting } from "../settings.js";
import { type Path, SourceOrigin } from "../source.js";
import { CHANGES, EDITS, LIST, type Packed, UNIT_KINDS, VALUE } from "./packed.js";

/** The content of a file, without its source. @returns undefined if a part of it does not come from a file */
export function packFragment(fragment: Fragment): Packed | undefined {
  return new Packer().pack(fragment);
}

class Packer {
  readonly #texts: string[] = [];
  readonly #textIds = new Map<string, number>();
  readonly #values: unknown[] = [];
  readonly #valueIds = new Map<unknown, number>();
  readonly #bare: number[] = [];
  readonly #codes = new Codes();

  pack({ definitions, changes, load, remove }: Fragment): Packed | undefined {
    this.#codes.add(definitions.length);
    for (const definition of definitions) this.#definition(definition);
    this.#codes.add(changes.length);
    for (const change of changes) if (!this.#change(change)) return undefined;
    for (const references of [load, remove]) {
      this.#codes.add(references.length);
      for (const reference of references) if (!this.#reference(reference)) return undefined;
    }
    return {
      texts: this.#texts,
      values: this.#values,
      bare: this.#bare,
      codes: this.#codes.toArray(),
    };
  }

  #definition({ name, kind, library, ...setting }: Definition): void {
    this.#codes.add(this.#textId(name), UNIT_KINDS.indexOf(kind));
    this.#codes.add(library === undefined ? -1 : this.#textId(library));
    this.#setting(setting);
  }

  #change(change: Change): boolean {
    // No document contains arguments that code sets.
    if (change.kind === "options") return false;
    this.#codes.add(CHANGES.indexOf(change.kind));
    if (change.kind === "update") {
      this.#codes.add(this.#textId(change.target));
      this.#setting(change.setting);
      return true;
    }
    this.#codes.add(this.#textId(change.service), this.#textId(change.unit));
    return this.#origin(change.origin);
  }

  #reference({ name, origin }: NamedReference): boolean {
    this.#codes.add(this.#textId(name));
    return this.#origin(origin);
  }

  #origin(origin: Origin): boolean {
    if (!(origin instanceof SourceOrigin)) return false;
    this.#path(origin.path);
    return true;
  }

  #setting({ path, settings, edits }: Omit<Setting, "source">): void {
    this.#path(path);
    const entries = Object.entries(settings);
    this.#codes.add(entries.length);
    for (const [key, value] of entries) {
      this.#codes.add(this.#textId(key));
      this.#value(value);
    }
    this.#codes.add(edits.length);
    for (const edit of edits) this.#edit(edit);
  }

  #edit({ key, op, items }: ListEdit): void {
    this.#codes.add(this.#textId(key), EDITS.indexOf(op));
    this.#list(items);
  }

  /** A step is an index, or a negative number for a text. */
  #path(path: Path): void {
    this.#codes.add(path.length);
    for (const step of path) this.#codes.add(typeof step === "number" ? step : ~this.#textId(step));
  }

  #value(value: unknown): void {
    if (isList(value)) {
      this.#codes.add(LIST);
      this.#list(value);
    } else this.#codes.add(VALUE, this.#valueId(value));
  }

  #list(texts: readonly string[]): void {
    this.#codes.add(texts.length);
    for (const text of texts) this.#codes.add(this.#textId(text));
  }

  #textId(text: string): number {
    const known = this.#textIds.get(text);
    if (known !== undefined) return known;
    this.#textIds.set(text, this.#texts.length);
    return this.#texts.push(text) - 1;
  }

  #valueId(value: unknown): number {
    const known = this.#valueIds.get(value);
    if (known !== undefined) return known;
    const id = this.#values.push(value) - 1;
    this.#valueIds.set(value, id);
    if (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === null) {
      this.#bare.push(id);
    }
    return id;
  }
}

/**
 * An array that grows. An ordinary array of a million numbers would take twice the memory, and a copy at the
 * end.
 */
class Codes {
  #codes = new Int32Array(1024);
  #length = 0;

  add(...codes: readonly number[]): void {
    for (const code of codes) {
      if (this.#length === this.#codes.length) {
        const larger = new Int32Array(this.#length * 2);
        larger.set(this.#codes);
        this.#codes = larger;
      }
      this.#codes[this.#length++] = code;
    }
  }

  toArray(): Int32Array {
    return this.#codes.slice(0, this.#length);
  }
}

function isList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
