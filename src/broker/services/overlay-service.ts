import { requestError } from "../../errors/index.js";
import type { JsonValue } from "../../messages/index.js";
import type { Call, ServiceDefinition } from "../builtin-service.js";
import { OpenStreams } from "../open-streams.js";
import type { RankOrders } from "../ranks/rank-orders.js";
import type { RankStatus, Roster } from "../ranks/roster.js";
import type { NatsAccess, RankPlace } from "../routing/overlay.js";

interface OverlayFacts {
  readonly roster: Roster;
  readonly places: () => readonly RankPlace[];
  /** The number of leaders so far, in an instance that can have another one. */
  readonly epoch: () => number | undefined;
  readonly access: () => NatsAccess | undefined;
  /** @throws SluiceError for a rank that answers */
  readonly forget: (rank: number) => void;
}

/** The states of the ranks, and the orders of rank 0. Other ranks do not have this service: requests go on to rank 0. */
export function overlayService(
  { roster, places, epoch, access, forget }: OverlayFacts,
  orders: RankOrders,
  onPanic: (rank: number, message: string) => void,
): ServiceDefinition {
  const streams = new OpenStreams();
  return {
    name: "overlay",
    methods: {
      status: {
        allowGuest: true,
        run: (call) => call.respond(statusPayload(roster.ranks, places(), epoch())),
      },
      watch: {
        allowGuest: true,
        run: (call) => {
          call.requireStreaming();
          const tell = (): void => call.respond(statusPayload(roster.ranks, places(), epoch()));
          tell();
          streams.add(call, roster.onChange(tell));
        },
      },
      // This is for modules that keep data on the servers. The reply is for the owner only, because it gives
      // access to the servers.
      access: (call) => {
        const known = access();
        if (known === undefined) throw requestError("ENOENT", "this instance has no NATS servers");
        const { servers, credentials } = known;
        const given = Object.entries({ ...servers, ...credentials }).filter(
          ([, value]) => value !== undefined,
        );
        call.respond(Object.fromEntries(given) as Record<string, JsonValue>);
      },
      forget: (call) => {
        const { rank } = call.fields({ rank: "integer" });
        forget(rank);
        call.respond();
      },
      // The remaining methods are for other brokers.
      orders: (call) => {
        senderOf(call);
        call.requireStreaming();
        streams.add(call, orders.follow(call));
      },
      report: (call) => {
        const rank = senderOf(call);
        const { state } = call.fields({ state: "string" });
        if (state === "online") roster.online(rank);
        else if (state === "failed") roster.failed(rank);
        else throw requestError("EINVAL", `no such state '${state}'`);
        call.respond();
      },
      panic: (call) => {
        const rank = senderOf(call);
        const { message } = call.fields({ message: "string" });
        call.respond();
        onPanic(rank, message);
      },
      cancel: { allowGuest: true, run: (call) => streams.cancel(call) },
      disconnect: (call) => streams.disconnect(call),
    },
  };
}

/** @throws SluiceError `EPERM` unless it comes from another rank, which the overlay guarantees */
function senderOf(call: Call): number {
  const { rank } = call.peer;
  if (rank === undefined)
    throw requestError(
      "EPERM",
      `${call.request.topic}: only the broker of another rank may send this request`,
    );
  return rank;
}

function statusPayload(
  ranks: readonly RankStatus[],
  places: readonly RankPlace[],
  epoch: number | undefined,
) {
  const placeOf = new Map(places.map(({ rank, ...place }) => [rank, place]));
  return {
    state: ranks.every(({ state }) => state === "online") ? "full" : "partial",
    size: ranks.length,
    ...(epoch !== undefined && { epoch }),
    ranks: ranks.map(({ rank, state, sinceMs }) => ({
      ...placeOf.get(rank),
      rank,
      state,
      since: sinceMs / 1000,
    })),
  };
}
