import { requestError } from "../../errors/index.js";
import { type JsonValue, type LogLevel, socketChannel, type WIRE_LIMITS } from "../../messages/index.js";
import type { Attributes } from "../attributes.js";
import { delayOf } from "../delay.js";
import type { Clients } from "../routing/clients.js";
import type { Departure, OverlayReceiver } from "../routing/overlay.js";
import type { Router } from "../routing/router.js";
import type { Roster } from "./roster.js";

/** The longest time from the end of a rank's modules to its own end. */
const STOP_GRACE_MS = 1000;

/** The part of a rank's broker that its overlay uses. */
export interface RankEventsOptions {
  readonly rank: number;
  readonly router: Router;
  readonly roster: Roster;
  readonly clients: Clients;
  readonly attributes: Attributes;
  readonly log: (level: LogLevel, text: string) => void;
  readonly wireLimits: () => typeof WIRE_LIMITS;
  readonly config: () => Readonly<Record<string, JsonValue>>;
  readonly shutdownTimeoutMs: () => number;
  /** Whether this rank was started with the right to join again. */
  readonly mayRejoin: boolean;
  /** This rank has left the instance permanently. */
  readonly onAbandoned: (message: string) => void;
}

/** Handles the reports of the overlay: messages, events, and ranks that join, stall and leave. */
export function rankEvents(options: RankEventsOptions): OverlayReceiver {
  const { rank: own, router, roster, clients, attributes, log, wireLimits } = options;
  /** Leaders and followers each note such a report once, because the others' logs have it too. */
  const level = (rank: number): LogLevel => (own === 0 || rank === 0 ? "err" : "debug");
  const stops = (): boolean => attributes.get("overlay.on-lost") === "stop";
  return {
    log,
    message: (from, message) => router.receive(message, router.rankPeer(from)),
    setFlow: (from, sender, flow) => router.setFlowForRank(from, sender, flow),
    drained: (rank) => router.rankDrained(rank),
    event: (event) => router.broadcast(event),
    missed: (after, upTo) => {
      const text = `this rank has missed events after ${after}, because rank 0 no longer keeps them all (overlay.kept-events)`;
      log("err", `${text}. This rank continues after event ${upTo}. Its subscriptions end with ENODATA`);
      router.endSubscriptions(requestError("ENODATA", text));
    },
    client: (stream) => clients.add(socketChannel(stream, wireLimits()), { isGuest: false }),
    joined: (rank) => {
      log("debug", `rank ${rank} has joined`);
      roster.joined(rank);
      router.rankSettled(rank);
    },
    stalled: (rank) => {
      log(level(rank), `rank ${rank} is stalled: it has missed three heartbeats`);
      router.rankStalled(rank);
      roster.stalled(rank);
    },
    resumed: (rank) => {
      log("notice", `rank ${rank} sends heartbeats again`);
      roster.resumed(rank);
      router.rankSettled(rank);
    },
    left: (rank, how: Departure) => {
      log(how === "lost" ? level(rank) : "debug", `rank ${rank} ${how === "lost" ? "is lost" : "has left"}`);
      router.rankLeft(rank);
      roster.left(rank, how);
    },
    abandoned: (message) => {
      router.rankSettled(0);
      options.onAbandoned(message);
    },
    config: options.config,
    heartbeatPeriodMs: () => delayOf(attributes, "overlay.heartbeat-period"),
    lostAfterMs: () => delayOf(attributes, "overlay.lost-after"),
    keptEventsBytes: () => Number(attributes.get("overlay.kept-events")),
    leaderTimeoutMs: () => delayOf(attributes, "overlay.leader-timeout"),
    stopsAfterMs: () =>
      stops() ? delayOf(attributes, "overlay.lost-after") + options.shutdownTimeoutMs() + STOP_GRACE_MS : 0,
    isToRejoin: () => options.mayRejoin && !stops(),
  };
}
