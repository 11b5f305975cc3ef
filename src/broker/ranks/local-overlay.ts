import { join } from "node:path";
import { checkSocketPath } from "../../messages/index.js";
import { LocalLeaf } from "./local-leaf.js";
import { LocalRoot } from "./local-root.js";
import type { Overlay } from "../routing/overlay.js";

export interface LocalOverlayOptions {
  readonly rank: number;
  /** Number of ranks of the instance. */
  readonly size: number;
  /** The run directory that all ranks of the instance share, mode 0700. */
  readonly rundir: string;
  /** Ranks of another instance are refused. */
  readonly instanceId: string;
  /** How long a rank waits for rank 0 to listen. */
  readonly joinTimeoutMs: number;
}

/**
 * Joins the ranks of one machine in a star (docs/design/instance.md §5): rank 0 listens on a unix socket in the run
 * directory, the others connect to it, and it relays the messages between two of them.
 *
 * A rank that reads too slowly is disconnected when more than 64 MiB wait for it.
 * @throws SluiceError `BROKER_STATE` with `EINVAL` if the socket's path would be too long
 */
export function localOverlay(options: LocalOverlayOptions): Overlay {
  const path = join(options.rundir, "overlay");
  checkSocketPath(path, "BROKER_STATE");
  return options.rank === 0 ? new LocalRoot(path, options) : new LocalLeaf(path, options);
}
