/**
 * A map with a limit in bytes, which drops the entries that were not used for longest. It only holds data
 * that a slower place has too.
 */
export class ByteLru<V> {
  readonly #limitBytes: number;
  // A Map keeps the order of insertion: the first key is the one that was used longest ago.
  readonly #items = new Map<string, { readonly value: V; readonly bytes: number }>();
  #bytes = 0;

  /** @param limitBytes sum of the sizes passed to `set`; the cache does not keep a larger value */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#items.size;
  }

  get(key: string): V | undefined {
    const item = this.#items.get(key);
    if (item === undefined) return undefined;
    this.#items.delete(key);
    this.#items.set(key, item);
    return item.value;
  }

  set(key: string, value: V, bytes: number): void {
    this.#forget(key);
    if (bytes > this.#limitBytes) return;
    this.#items.set(key, { value, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#items.keys()) {
      if (this.#bytes <= this.#limitBytes) break;
      this.#forget(oldest);
    }
  }

  #forget(key: string): void {
    const item = this.#items.get(key);
    if (item === undefined) return;
    this.#items.delete(key);
    this.#bytes -= item.bytes;
  }
}
