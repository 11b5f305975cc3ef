import { compareText, hasControls, requestError } from "../errors/index.js";

/** The properties of a known attribute. */
interface AttributeKind {
  /** Never changes, so that modules may keep it. `attr.set` refuses it. */
  readonly readOnly?: boolean;
  /** Returns the problem of a value, or undefined. */
  readonly check?: (value: string) => string | undefined;
}

/** The attributes of one broker (docs/design/instance.md §3): strings by name. */
export class Attributes {
  readonly #values = new Map<string, string>();
  readonly #kinds = new Map<string, AttributeKind>();
  readonly #given = new Set<string>();

  /** Makes an attribute that the broker itself sets. */
  define(name: string, value: string, kind: AttributeKind = {}): void {
    this.#values.set(name, value);
    this.#kinds.set(name, kind);
  }

  get(name: string): string | undefined {
    return this.#values.get(name);
  }

  /** Whether it was set, at the start or later, and no longer has only the broker's own value. */
  isGiven(name: string): boolean {
    return this.#given.has(name);
  }

  /**
   * Sets an attribute, or makes a new one.
   * @throws SluiceError BROKER_REQUEST `EPERM` if read-only, `EINVAL` for an invalid value
   */
  set(name: string, value: string): void {
    if (name === "") throw requestError("EINVAL", "an attribute needs a name");
    if (hasControls(name)) throw requestError("EINVAL", "invalid attribute name: it has control characters");
    const kind = this.#kinds.get(name);
    if (kind?.readOnly === true) throw requestError("EPERM", `attribute ${name} is read-only`);
    const problem = kind?.check?.(value);
    if (problem !== undefined) throw requestError("EINVAL", `attribute ${name} ${problem}`);
    this.#values.set(name, value);
    this.#given.add(name);
  }

  /**
   * Removes an attribute that was made by {@link set}.
   * @throws SluiceError BROKER_REQUEST `ENOENT` if it is not set, `EPERM` if the broker itself defines it
   */
  remove(name: string): void {
    if (this.#kinds.has(name))
      throw requestError("EPERM", `cannot remove attribute ${name}, which the broker defines`);
    if (!this.#values.delete(name)) throw requestError("ENOENT", `no such attribute ${name}`);
  }

  /** All attributes, in the order of their names. */
  list(): Record<string, string> {
    return sorted([...this.#values]);
  }

  /** The attributes that never change. */
  readOnly(): Record<string, string> {
    return sorted([...this.#values].filter(([name]) => this.#kinds.get(name)?.readOnly === true));
  }
}

function sorted(entries: [string, string][]): Record<string, string> {
  return Object.fromEntries(entries.sort(([a], [b]) => compareText(a, b)));
}
