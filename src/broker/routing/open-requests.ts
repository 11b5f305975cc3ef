import { decodePayload, fields, FLAG, type RequestMessage } from "../../messages/index.js";
import type { OpenRequests } from "../../waits/index.js";
import type { Peer } from "./peer.js";

/** Requests to the broker itself that wait for a module, which they name. */
const ABOUT_MODULES: ReadonlySet<string> = new Set(["module.load", "module.remove", "module.reload"]);

/** Open requests of one sender for one topic to one target. */
interface Group {
  readonly first: RequestMessage;
  readonly sender: Peer;
  readonly target: Peer;
  readonly isHeld: boolean;
  count: number;
  oldestMs: number;
}

/**
 * The unanswered requests that a broker has passed on, or holds back. It counts requests of one sender for one topic
 * together.
 * @param peers all peers of its router
 * @param nowMs of `performance.now()`
 */
export function openRequests(peers: Iterable<Peer>, nowMs: number): OpenRequests[] {
  const groups = new Map<string, Group>();
  for (const peer of peers) {
    for (const { sender, pending } of peer.incoming) {
      for (const request of pending.values()) count(groups, request, { sender, target: peer, isHeld: false });
    }
    const { wait } = peer;
    if (wait?.parked !== undefined) {
      count(groups, wait.parked, { sender: peer, target: wait.receiver, isHeld: true });
    }
  }
  return [...groups.values()].map((group) => described(group, nowMs));
}

/** Number of senders whose requests are held for an overloaded receiver. */
export function heldSenders(peers: Iterable<Peer>): number {
  let held = 0;
  for (const { wait } of peers) if (wait?.parked !== undefined) held += 1;
  return held;
}

function count(
  groups: Map<string, Group>,
  request: RequestMessage,
  way: Pick<Group, "sender" | "target" | "isHeld">,
): void {
  const { route, topic, flags } = request;
  const about = aboutOf(request) ?? "";
  const key = [route[0], way.target.id, topic, flags & FLAG.streaming, way.isHeld, about].join(" ");
  const known = groups.get(key);
  const enteredMs = request.enteredMs ?? 0;
  if (known === undefined) groups.set(key, { ...way, first: request, count: 1, oldestMs: enteredMs });
  else {
    known.count += 1;
    known.oldestMs = Math.min(known.oldestMs, enteredMs);
  }
}

function described({ first, sender, target, isHeld, count, oldestMs }: Group, nowMs: number): OpenRequests {
  const { route, topic, flags } = first;
  const about = aboutOf(first);
  return {
    origin: route[0] ?? "",
    ...(route.length === 1 && { name: sender.name }),
    hops: route.length,
    topic,
    ...(about !== undefined && { about }),
    target: { id: target.id, name: target.name, ...(target.rank !== undefined && { rank: target.rank }) },
    count,
    seconds: Math.max(0, nowMs - oldestMs) / 1000,
    isStream: (flags & FLAG.streaming) !== 0,
    isHeld,
  };
}

/** The broker may look into requests to itself. */
function aboutOf({ topic, payload }: RequestMessage): string | undefined {
  if (!ABOUT_MODULES.has(topic)) return undefined;
  try {
    return fields(decodePayload(payload), { name: "string?" }).name;
  } catch {
    // The broker is about to refuse the request.
    return undefined;
  }
}
