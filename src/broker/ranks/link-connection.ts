import { socketChannel } from "../../messages/index.js";
import type { Link } from "../../nats/index.js";
import type { OwnConnection } from "./connection.js";
import { OVERLAY_LIMITS } from "./overlay-wire.js";

/** A link as a connection between two ranks. */
export function linkConnection(link: Link): OwnConnection {
  return {
    channel: socketChannel(link, OVERLAY_LIMITS),
    destroy: () => link.destroy(),
    closed: new Promise((resolve) => link.once("close", () => resolve())),
    onHeard: (listener) => link.onHeard(listener),
  };
}
