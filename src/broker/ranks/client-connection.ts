import type { Link } from "../../nats/index.js";
import type { OverlayReceiver } from "../routing/overlay.js";

/** Takes a client on another machine, as long as it answers; before this rank is in, and afterwards, it takes none. */
export function takeClient(link: Link, receiver: OverlayReceiver | undefined): void {
  if (receiver === undefined) {
    link.destroy();
    return;
  }
  link.keepAlive(receiver.heartbeatPeriodMs());
  receiver.client(link);
}
