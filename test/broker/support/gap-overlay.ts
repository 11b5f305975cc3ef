import type { Overlay, OverlayReceiver } from "../../../src/broker/index.js";

/** An overlay from which a rank may miss events, as after a time away that was too long for rank 0. */
export interface GapOverlay {
  readonly overlay: Overlay;
  /** Withholds the events that are published during the call, and reports them as missed. */
  readonly away: (during: () => Promise<unknown>) => Promise<void>;
}

export function gapOverlay(inner: Overlay): GapOverlay {
  let receiver: OverlayReceiver | undefined;
  let isAway = false;
  let seq = 0;
  const listening = (to: OverlayReceiver): OverlayReceiver => ({
    ...to,
    event: (event) => {
      seq = event.seq;
      if (!isAway) to.event(event);
    },
  });
  return {
    overlay: {
      ...inner,
      start: (to) => {
        receiver = to;
        return inner.start(listening(to));
      },
    },
    away: async (during) => {
      const after = seq;
      isAway = true;
      await during();
      isAway = false;
      receiver?.missed(after, seq);
    },
  };
}
