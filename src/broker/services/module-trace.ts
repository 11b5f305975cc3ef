import { requestError } from "../../errors/index.js";
import { type Message, MESSAGE_TYPES } from "../../messages/index.js";
import { isName } from "../../units/index.js";
import { BoundedSink } from "../exec/bounded-sink.js";
import type { Call } from "../builtin-service.js";
import type { Clock } from "../clock.js";
import type { MessageTrace, TraceFilter } from "../routing/message-trace.js";
import { topicGlob } from "../routing/topic-glob.js";

/** The request `module.trace`. */
const TRACE = { names: "string[]?", topic: "string?", types: "string[]?", full: "boolean?" } as const;

/**
 * Answers a `module.trace`, a stream of the messages of modules, as fast as its reader takes them.
 * @returns a function that ends the stream
 */
export function traceMessages(call: Call, trace: MessageTrace, clock: Clock): () => void {
  call.requireStreaming();
  const filter = readFilter(call);
  const { peer } = call;
  const sink = new BoundedSink({
    clock,
    backlog: () => peer.queue?.backlog() ?? { messages: 0, bytes: 0 },
    send: (record) => call.respond(record),
  });
  const stop = trace.watch(filter, (record) => sink.put(record));
  return () => {
    stop();
    sink.close();
  };
}

function readFilter(call: Call): TraceFilter {
  const { names = [], topic, types = [], full } = call.fields(TRACE);
  const wrong = names.find((name) => !isName(name));
  if (wrong !== undefined) throw requestError("EINVAL", `invalid module name '${wrong}'`);
  return {
    names: new Set(names),
    matchesTopic: topic === undefined ? undefined : topicGlob(topic),
    types: new Set(types.map(messageType)),
    isFull: full === true,
  };
}

function messageType(text: string): Message["type"] {
  const known = MESSAGE_TYPES.find((type) => type === text);
  if (known !== undefined) return known;
  throw requestError("EINVAL", `no such message type '${text}'; valid types: ${MESSAGE_TYPES.join(", ")}`);
}
