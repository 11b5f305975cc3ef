/** Below this number of taken elements, a copy to drop them is too expensive. */
const TRIM_LENGTH = 1024;

/** A queue whose operations at both ends have a constant cost. `Array.shift` moves every element. */
export class Fifo<T> {
  /** Those before the head are taken. The queue does not keep references to them. */
  #items: (T | undefined)[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  /** The elements, the oldest first. */
  *[Symbol.iterator](): Generator<T> {
    for (let at = this.#head; at < this.#items.length; at++) yield this.#items[at] as T;
  }

  /** The next element of {@link shift}. */
  peek(): T | undefined {
    return this.#items[this.#head];
  }

  shift(): T | undefined {
    if (this.#head >= this.#items.length) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head++;
    if (this.#head === this.#items.length) this.clear();
    else if (this.#head >= TRIM_LENGTH && this.#head * 2 >= this.#items.length) this.#trim();
    return item;
  }

  /** Each element moves at most once, because this drops the front half at once. */
  #trim(): void {
    this.#items = this.#items.slice(this.#head);
    this.#head = 0;
  }

  clear(): void {
    this.#items.length = 0;
    this.#head = 0;
  }
}
