import type { Link } from "../../nats/index.js";
import type { OverlayReceiver } from "../routing/overlay.js";

/**
 * Takes a client on another machine, as long as it answers. It takes no client before this rank has joined or after
 * it has left.
 */
export function takeClient(link: Link, receiver: OverlayReceiver | undefined): void {
  if (receiver === undefined) {
    link.destroy();
    return;
  }
  link.keepAlive(receiver.heartbeatPeriodMs());
  receiver.client(link);
}
