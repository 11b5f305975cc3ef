import type { Call } from "./builtin-service.js";

/** Streams that a service of the broker has open, by sender and matchtag, each with the function that ends it. */
export class OpenStreams {
  readonly #bySender = new Map<string, Map<number, { readonly call: Call; readonly stop: () => void }>>();

  add(call: Call, stop: () => void): void {
    const streams = this.#bySender.get(call.sender) ?? new Map<number, { call: Call; stop: () => void }>();
    // A second stream under one matchtag replaces the first.
    streams.get(call.request.matchtag)?.stop();
    streams.set(call.request.matchtag, { call, stop });
    this.#bySender.set(call.sender, streams);
  }

  /** Ends the stream that a `cancel` is about. */
  cancel(cancel: Call): void {
    const { matchtag } = cancel.fields({ matchtag: "integer" });
    const streams = this.#bySender.get(cancel.sender);
    const stream = streams?.get(matchtag);
    if (stream === undefined) return;
    streams?.delete(matchtag);
    if (streams?.size === 0) this.#bySender.delete(cancel.sender);
    stream.stop();
    stream.call.fail("ECANCELED");
  }

  /** Forgets a stream that its service has ended. */
  delete({ sender, request }: Call): void {
    const streams = this.#bySender.get(sender);
    streams?.delete(request.matchtag);
    if (streams?.size === 0) this.#bySender.delete(sender);
  }

  /** Drops the streams of a sender that has gone; if a rank has gone, also those of all senders behind it. */
  disconnect({ sender: gone }: Call): void {
    for (const [sender, streams] of [...this.#bySender]) {
      if (sender !== gone && !sender.endsWith(`/${gone}`)) continue;
      this.#bySender.delete(sender);
      for (const { stop } of streams.values()) stop();
    }
  }

  /** Number of open streams. */
  get size(): number {
    let size = 0;
    for (const streams of this.#bySender.values()) size += streams.size;
    return size;
  }
}
