import { requestError } from "../../errors/index.js";
import type { Call, ServiceDefinition } from "../builtin-service.js";
import { OpenStreams } from "../open-streams.js";
import type { RankOrders } from "../ranks/rank-orders.js";
import type { RankStatus, Roster } from "../ranks/roster.js";
import type { RankPlace } from "../routing/overlay.js";

/** What rank 0 knows of the ranks, and how it leads them. Other ranks do not have this service: requests go on to rank 0. */
export function overlayService(
  { roster, places }: { readonly roster: Roster; readonly places: () => readonly RankPlace[] },
  orders: RankOrders,
  onPanic: (rank: number, message: string) => void,
): ServiceDefinition {
  const streams = new OpenStreams();
  return {
    name: "overlay",
    methods: {
      status: { allowGuest: true, run: (call) => call.respond(statusPayload(roster.ranks, places())) },
      // The rest is between the brokers.
      orders: (call) => {
        senderOf(call);
        if (!call.isStreaming) throw requestError("EPROTO", "overlay.orders is a stream");
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
      cancel: (call) => streams.cancel(call),
      disconnect: (call) => streams.disconnect(call),
    },
  };
}

/** @throws SluiceError `EPERM` unless it comes from another rank, which the overlay guarantees */
function senderOf(call: Call): number {
  const { rank } = call.peer;
  if (rank === undefined) throw requestError("EPERM", `${call.request.topic} is for other ranks`);
  return rank;
}

function statusPayload(ranks: readonly RankStatus[], places: readonly RankPlace[]) {
  const placeOf = new Map(places.map(({ rank, ...place }) => [rank, place]));
  return {
    state: ranks.every(({ state }) => state === "online") ? "full" : "partial",
    size: ranks.length,
    ranks: ranks.map(({ rank, state, sinceMs }) => ({
      ...placeOf.get(rank),
      rank,
      state,
      since: sinceMs / 1000,
    })),
  };
}
