/** Digits of a reference that fit into an exact integer. */
const DIGITS = 13;
const PREFIX = "sha256-".length;

/**
 * References that a collection has found. A mark holds 52 bits of a digest. If two blobs of a store agree in them,
 * both stay, which loses no data. The set of followed references is exact: two references never count as one.
 */
export class Marks {
  readonly #marked = new Set<number>();
  readonly #followed = new Map<number, number>();

  mark(ref: string): void {
    this.#marked.add(part(ref, 0));
  }

  has(ref: string): boolean {
    return this.#marked.has(part(ref, 0));
  }

  /** Marks a blob whose references are to be followed. @returns false if it was already marked */
  follow(ref: string): boolean {
    this.mark(ref);
    const [first, second] = [part(ref, 0), part(ref, 1)];
    if (this.#followed.get(first) === second) return false;
    this.#followed.set(first, second);
    return true;
  }
}

function part(ref: string, index: number): number {
  const at = PREFIX + index * DIGITS;
  return Number.parseInt(ref.slice(at, at + DIGITS), 16);
}
