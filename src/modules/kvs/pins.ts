/** Versions that are being read: their roots, each counted once for each reader. */
export class Pins {
  readonly #counts = new Map<string, number>();

  get roots(): readonly string[] {
    return [...this.#counts.keys()];
  }

  /** Protects everything below a root from garbage collection. */
  take(root: string | undefined): () => void {
    if (root === undefined) return () => undefined;
    this.#counts.set(root, (this.#counts.get(root) ?? 0) + 1);
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      const left = (this.#counts.get(root) ?? 1) - 1;
      if (left > 0) this.#counts.set(root, left);
      else this.#counts.delete(root);
    };
  }
}
