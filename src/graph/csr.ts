/**
 * Adjacency by integer index: the items of row `i` are `items[start(i)] … items[end(i) - 1]`. Two flat arrays. So a
 * quarter of a million relations take a few megabytes, and a walk over them reads no objects.
 */
export class Csr {
  readonly offsets: Uint32Array;
  readonly items: Uint32Array;

  constructor(offsets: Uint32Array, items: Uint32Array) {
    this.offsets = offsets;
    this.items = items;
  }

  get rowCount(): number {
    return this.offsets.length - 1;
  }

  start(row: number): number {
    return this.offsets[row] ?? 0;
  }

  end(row: number): number {
    return this.offsets[row + 1] ?? 0;
  }

  item(position: number): number {
    return this.items[position] ?? 0;
  }

  count(row: number): number {
    return this.end(row) - this.start(row);
  }

  row(row: number): Uint32Array {
    return this.items.subarray(this.start(row), this.end(row));
  }

  /** The same rows with other items. */
  mapped(itemOf: (item: number) => number): Csr {
    return new Csr(this.offsets, this.items.map(itemOf));
  }

  /** Rows and items with their roles exchanged. Each new row ascends. */
  reversed(itemCount: number): Csr {
    const offsets = offsetsOf(this.items, itemCount);
    const next = offsets.slice();
    const items = new Uint32Array(this.items.length);
    // These loops run before the engine compiles them, so calls would take most of the time.
    const { offsets: from, items: of, rowCount } = this;
    for (let row = 0, e = 0; row < rowCount; row++) {
      for (const end = from[row + 1] ?? 0; e < end; e++) {
        const item = of[e] ?? 0;
        const place = next[item] ?? 0;
        items[place] = row;
        next[item] = place + 1;
      }
    }
    return new Csr(offsets, items);
  }

  /** The same without repeated items in a row. The first place of each stays. */
  withoutRepeats(itemCount: number): Csr {
    const lastRow = new Int32Array(itemCount).fill(-1);
    const offsets = new Uint32Array(this.offsets.length);
    const items = new Uint32Array(this.items.length);
    let filled = 0;
    const { offsets: from, items: of, rowCount } = this;
    for (let row = 0, e = 0; row < rowCount; row++) {
      for (const end = from[row + 1] ?? 0; e < end; e++) {
        const item = of[e] ?? 0;
        if (lastRow[item] === row) continue;
        lastRow[item] = row;
        items[filled++] = item;
      }
      offsets[row + 1] = filled;
    }
    return filled === items.length ? this : new Csr(offsets, items.slice(0, filled));
  }
}

/** Collects rows in order. */
export class RowList {
  readonly #ends = new NumberList();
  readonly #items = new NumberList();

  constructor() {
    this.#ends.push(0);
  }

  add(item: number): void {
    this.#items.push(item);
  }

  endRow(): void {
    this.#ends.push(this.#items.length);
  }

  toCsr(): Csr {
    return new Csr(this.#ends.toArray(), this.#items.toArray());
  }
}

/** Collects pairs in any order and sorts them into rows by counting. Items keep their order of arrival. */
export class PairList {
  readonly #rows = new NumberList();
  readonly #items = new NumberList();

  add(row: number, item: number): void {
    this.#rows.push(row);
    this.#items.push(item);
  }

  toCsr(rowCount: number): Csr {
    const rows = this.#rows.toArray();
    const given = this.#items.toArray();
    const offsets = offsetsOf(rows, rowCount);
    const next = offsets.slice();
    const items = new Uint32Array(rows.length);
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] ?? 0;
      const place = next[row] ?? 0;
      items[place] = given[i] ?? 0;
      next[row] = place + 1;
    }
    return new Csr(offsets, items);
  }
}

/**
 * An array of unsigned integers that grows. An ordinary array of millions of numbers would keep the garbage collector
 * busy.
 */
class NumberList {
  length = 0;
  #numbers = new Uint32Array(64);

  push(number: number): void {
    if (this.length === this.#numbers.length) {
      const larger = new Uint32Array(this.length * 2);
      larger.set(this.#numbers);
      this.#numbers = larger;
    }
    this.#numbers[this.length++] = number;
  }

  toArray(): Uint32Array {
    return this.#numbers.subarray(0, this.length);
  }
}

/** The start of each row, from the row of each item. */
function offsetsOf(rows: Uint32Array, rowCount: number): Uint32Array {
  const offsets = new Uint32Array(rowCount + 1);
  for (let i = 0; i < rows.length; i++) {
    const next = (rows[i] ?? 0) + 1;
    offsets[next] = (offsets[next] ?? 0) + 1;
  }
  for (let row = 0; row < rowCount; row++) offsets[row + 1] = (offsets[row + 1] ?? 0) + (offsets[row] ?? 0);
  return offsets;
}
