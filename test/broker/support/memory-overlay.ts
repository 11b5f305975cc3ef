import type { Overlay, OverlayReceiver } from "../../../src/broker/index.js";
import type { EventMessage } from "../../../src/messages/index.js";

/** Joins so many ranks within the test's process; each message arrives in a later turn of the loop, in order. */
export function memoryOverlay(size: number): Overlay[] {
  const receivers = new Map<number, OverlayReceiver>();
  let seq = 0;
  return Array.from({ length: size }, (_, rank): Overlay => {
    const later = (to: number, deliver: (receiver: OverlayReceiver) => void): void => {
      setImmediate(() => {
        const receiver = receivers.get(to);
        if (receiver !== undefined) deliver(receiver);
      });
    };
    return {
      rank,
      size,
      upstream: rank === 0 ? undefined : 0,
      start(receiver) {
        receivers.set(rank, receiver);
        return Promise.resolve();
      },
      reaches: (to) => receivers.has(to),
      send: (to, message) => {
        const copy = structuredClone(message);
        later(to, (receiver) => receiver.message(rank, copy));
      },
      backlog: () => ({ messages: 0, bytes: 0 }),
      setFlow: (to, sender, flow) => later(to, (receiver) => receiver.setFlow(rank, sender, flow)),
      publish(event, done) {
        setImmediate(() => {
          const sequenced: EventMessage = { ...event, type: "event", seq: ++seq };
          for (const to of receivers.keys()) later(to, (receiver) => receiver.event(sequenced));
          done({ ok: true, seq: sequenced.seq });
        });
      },
      close() {
        receivers.delete(rank);
        for (const to of receivers.keys()) {
          later(to, (receiver) => {
            receiver.left(rank, "goodbye");
            if (rank === 0) receiver.abandoned("rank 0 has left the instance");
          });
        }
        return Promise.resolve();
      },
    };
  });
}
