import { ERRNO } from "../../errors/index.js";
import { type RequestMessage, type ResponseMessage } from "../../messages/index.js";
import type { Link, Peer } from "./peer.js";
import type { Subscriptions } from "./subscriptions.js";

/** The requests of one module to another, in the form of `module.messages` (docs/services.md). */
export interface UnitMessages {
  readonly from: string;
  readonly to: string;
  /** The topics of answered requests, and whether a request was sent before the sender ran. */
  readonly answered: readonly { readonly topic: string; readonly isStarting: boolean }[];
}

/** The number of topics that the broker keeps of one module, so that no module fills its memory. */
const MOST_TOPICS = 100;

/**
 * Notes that a module has answered another, which could not have continued without the answer. An `ENOSYS` is no
 * answer. For requests of clients it costs one comparison.
 */
export function noteAnswer(
  link: Link,
  { topic, enteredMs = 0 }: RequestMessage,
  answer: ResponseMessage,
): void {
  const { sender, target } = link;
  if (sender.runsFromMs === undefined || target.runsFromMs === undefined || sender === target) return;
  if (answer.errnum === ERRNO.ENOSYS) return;
  const isStarting = enteredMs < sender.runsFromMs;
  const known = link.answered?.get(topic);
  if (known === true || (known === false && !isStarting)) return;
  link.answered ??= new Map();
  if (known === undefined && link.answered.size >= MOST_TOPICS) return;
  link.answered.set(topic, isStarting);
}

/** Notes an event of a module. */
export function noteEvent(publisher: Peer, topic: string): void {
  if (publisher.runsFromMs === undefined) return;
  publisher.published ??= new Set();
  if (publisher.published.size < MOST_TOPICS) publisher.published.add(topic);
}

/** The messages between the modules of this rank since their start: requests, notices and events. */
export function unitMessages(peers: Iterable<Peer>, subscriptions: Subscriptions): UnitMessages[] {
  const found: UnitMessages[] = [];
  for (const peer of peers) {
    if (peer.runsFromMs === undefined) continue;
    const readers = new Set([...(peer.published ?? [])].flatMap((topic) => [...subscriptions.match(topic)]));
    for (const target of new Set([...peer.outgoing.keys(), ...readers])) {
      if (target.runsFromMs === undefined || target === peer) continue;
      const answered = [...(peer.outgoing.get(target)?.answered ?? [])];
      found.push({
        from: peer.name,
        to: target.name,
        answered: answered.map(([topic, isStarting]) => ({ topic, isStarting })),
      });
    }
  }
  return found;
}
