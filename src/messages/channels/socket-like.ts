import type { Duplex } from "node:stream";

/** Whether a stream belongs to the event loop, which it can keep from ending. */
export function isSocketLike(stream: Duplex): stream is Duplex & { ref(): void; unref(): void } {
  return "ref" in stream && typeof stream.ref === "function" && "unref" in stream;
}
