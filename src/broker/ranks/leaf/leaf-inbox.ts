import type { OverlayReceiver } from "../../routing/overlay.js";
import type { Company } from "./company.js";
import type { FollowedEvents } from "./followed-events.js";
import { type Arrival, type Carried, flowOf, type Notice, overlayProtocolError } from "../overlay-wire.js";

export interface LeafInboxOptions {
  readonly rank: number;
  readonly company: Company;
  readonly events: FollowedEvents;
  /** Undefined while this rank has not joined. */
  readonly receiver: () => OverlayReceiver | undefined;
  /** Rank 0 checks whether this rank is still alive. */
  readonly asked: () => void;
  /** Rank 0 is about to shut down cleanly. */
  readonly goodbye: () => void;
}

/** The messages of other ranks to a rank other than 0, after it has joined. */
export class LeafInbox {
  readonly #options: LeafInboxOptions;

  constructor(options: LeafInboxOptions) {
    this.#options = options;
  }

  /**
   * Handles messages of rank 0, on any path.
   * @throws SluiceError `BROKER_PROTOCOL` if no rank 0 would send it
   */
  fromRankZero(arrival: Arrival): void {
    switch (arrival.type) {
      case "notice":
        this.#notice(arrival.notice);
        return;
      case "events":
        this.#options.events.add(arrival.events, arrival.origin);
        return;
      case "carried":
        this.#carried(arrival);
        return;
    }
  }

  /**
   * Handles messages of a direct connection.
   * @throws SluiceError `BROKER_PROTOCOL` if no such rank would send it
   */
  fromRank(rank: number, arrival: Arrival): void {
    const notice = arrival.type === "notice" ? arrival.notice : undefined;
    if (arrival.type === "carried" && arrival.from === rank) this.#carried(arrival);
    else if (notice?.kind === "hold" && notice.from === rank) this.#notice(notice);
    else throw overlayProtocolError(`unexpected ${notice?.kind ?? arrival.type} from rank ${rank}`);
  }

  #carried({ from, to, after, message }: Carried): void {
    const { rank, events, receiver } = this.#options;
    if (to !== rank) throw overlayProtocolError(`received a message for rank ${to}`);
    events.whenReceived(after, from, () => receiver()?.message(from, message));
  }

  #notice(notice: Notice): void {
    const { company, events, receiver, asked, goodbye } = this.#options;
    switch (notice.kind) {
      case "joined":
        company.joined(notice.rank, notice.uuid);
        return;
      case "stalled":
        company.setStalled(notice.rank, notice.on);
        return;
      case "left":
        // Messages that it sent before its clean shutdown come first.
        events.whenReceived(0, notice.rank, () => company.drop(notice.rank, notice.how));
        return;
      case "hold":
        receiver()?.setFlow(notice.from, notice.sender, flowOf(notice));
        return;
      case "repeated":
        events.repeated(notice);
        return;
      case "goodbye":
        goodbye();
        return;
      case "ask":
        asked();
        return;
      case "alive":
      case "still":
        return;
      case "about":
      case "hello":
      case "missed":
      case "wait":
      case "welcome":
      case "refused":
        throw overlayProtocolError(`unexpected notice '${notice.kind}' from rank 0`);
    }
  }
}
