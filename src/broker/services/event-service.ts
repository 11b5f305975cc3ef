import { requestError } from "../../errors/index.js";
import {
  encodePayload,
  isSubscription,
  isTopic,
  type RawPayload,
  type RequestMessage,
  WIRE_LIMITS,
} from "../../messages/index.js";
import type { Call, ServiceDefinition } from "../builtin-service.js";
import { refuse } from "../routing/broker-messages.js";
import type { Overlay } from "../routing/overlay.js";
import type { Peer } from "../routing/peer.js";
import type { Router } from "../routing/router.js";
import { noteEvent } from "../routing/unit-messages.js";

/** The other fields in the header of an event fit into the rest. */
const MAX_TOPIC_BYTES = WIRE_LIMITS.headerBytes - 256;

const PUBLISH = "event.publish.";

/** Subscriptions, and the publishing of events into their one order. */
export function eventService(router: Router, enter: Overlay["publish"]): ServiceDefinition {
  const publish = (call: Call, topic: string, payload: RawPayload): void => {
    if (!isTopic(topic)) throw requestError("EINVAL", `invalid event topic '${topic}'`);
    // A larger event would end the connection of each subscriber on a socket.
    if (Buffer.byteLength(JSON.stringify(topic)) > MAX_TOPIC_BYTES) {
      throw requestError("EMSGSIZE", `an event topic may have ${MAX_TOPIC_BYTES} bytes at most`);
    }
    const { userid, rolemask, enteredMs = 0 } = call.request;
    if (enteredMs < router.notesUntilMs) noteEvent(call.peer, topic);
    enter({ topic, payload, userid, rolemask }, (outcome) => {
      if (outcome.ok) call.respond({ seq: outcome.seq });
      else call.failWith(outcome.error);
    });
  };
  return {
    name: "event",
    methods: {
      subscribe: {
        allowGuest: true,
        run: (call) => {
          const { topic } = call.fields({ topic: "string" });
          if (!isSubscription(topic)) throw requestError("EINVAL", `invalid subscription '${topic}'`);
          const peer = localPeer(call);
          end(router.subscriptions.add(topic, peer, call.request), peer);
          call.confirm();
        },
      },
      unsubscribe: {
        allowGuest: true,
        run: (call) => {
          const { topic } = call.fields({ topic: "string" });
          const peer = localPeer(call);
          const removed = router.subscriptions.remove(topic, peer);
          if (removed === undefined) throw requestError("ENOENT", `no subscription to '${topic}'`);
          end(removed.stream, peer);
          call.respond();
        },
      },
      // The sender of a streaming request may end the stream in place of the subscription.
      cancel: {
        allowGuest: true,
        run: (call) => {
          const { matchtag } = call.fields({ matchtag: "integer" });
          const peer = localPeer(call);
          const topic = router.subscriptions.topicOf(matchtag, peer);
          if (topic !== undefined) end(router.subscriptions.remove(topic, peer)?.stream, peer);
        },
      },
      publish: (call) => {
        const { topic, payload } = call.fields({ topic: "string", payload: "json?" });
        publish(call, topic, encodePayload(payload));
      },
      // Publishes any payload, also bytes, without a check.
      "publish.": (call) => publish(call, call.request.topic.slice(PUBLISH.length), call.request.payload),
    },
  };
}

/** Ends the stream of a subscription that its sender has ended, or replaced. */
function end(stream: RequestMessage | undefined, peer: Peer): void {
  if (stream !== undefined) refuse(stream, peer, requestError("ECANCELED", `${stream.topic}: cancelled`));
}

/** Refuses a subscriber on another rank, because each event would reach that rank twice. */
function localPeer(call: Call): Peer {
  const { peer } = call;
  if (peer.credentials === undefined)
    throw requestError("EINVAL", "invalid subscription to another rank: subscribe at your own rank");
  return peer;
}
