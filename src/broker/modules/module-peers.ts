import { requestError } from "../../errors/index.js";
import type { HoldQueue } from "./hold-queue.js";
import type { ModuleEntry } from "./module-entry.js";
import type { ModuleInstance, StatusReport } from "./module-instance.js";
import type { Peer } from "../routing/peer.js";
import type { Router } from "../routing/router.js";

/** The running modules, by their peers, which show from which module a request came. */
export class ModulePeers {
  readonly #router: Router;
  readonly #byPeer = new Map<Peer, { readonly instance: ModuleInstance; readonly entry: ModuleEntry }>();

  constructor(router: Router) {
    this.#router = router;
  }

  /** Keeps a run of a module until it has ended. */
  add(instance: ModuleInstance, entry: ModuleEntry): void {
    this.#byPeer.set(instance.peer, { instance, entry });
    void instance.ended.then(() => this.#byPeer.delete(instance.peer));
  }

  /**
   * Takes the status report of a module.
   * @throws SluiceError `EPERM` if the peer is not a module, `EINVAL` if the status is unknown
   */
  report(peer: Peer, report: StatusReport): void {
    const known = this.#byPeer.get(peer);
    if (known === undefined) throw requestError("EPERM", "only a module can report its status");
    known.instance.report(report);
  }

  /**
   * Claims a service for a module during its reload; false if the broker keeps no such service for it. The module
   * gets the service when it runs.
   */
  claim(peer: Peer, service: string): boolean {
    const hold = this.#holdOf(peer);
    if (hold === undefined || this.#router.services.owner(service) !== hold.peer) return false;
    hold.claimed.add(service);
    return true;
  }

  /** Takes a {@link claim} back. */
  unclaim(peer: Peer, service: string): boolean {
    return this.#holdOf(peer)?.claimed.delete(service) ?? false;
  }

  #holdOf(peer: Peer): HoldQueue | undefined {
    const state = this.#byPeer.get(peer)?.entry.state;
    return state?.kind === "reloading" ? state.hold : undefined;
  }
}
