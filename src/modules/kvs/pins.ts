/** Versions that are being read: their roots, each as often as it is read. */
export class Pins {
  readonly #counts = new Map<string, number>();

  get roots(): readonly string[] {
    return [...this.#counts.keys()];
  }

  /** Keeps what a root reaches from being collected. @returns ends it */
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
