/** The events of a rank whose rank 0 no longer keeps all that were lost on their way. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { FollowedEvents } from "../../../src/broker/ranks/leaf/followed-events.js";
import { noticeMessage, readArrival } from "../../../src/broker/ranks/overlay-wire.js";
import { NumberedEvents } from "../../../src/broker/ranks/root/numbered-events.js";
import type { PublishOutcome } from "../../../src/broker/routing/overlay.js";
import { ERRNO } from "../../../src/errors/index.js";
import type { Message } from "../../../src/messages/index.js";

const OWN = 1;

/** A rank and its rank 0, with events on a way of their own that may be lost, and a connection that may break. */
class Pair {
  readonly delivered: number[] = [];
  readonly gaps: [after: number, upTo: number][] = [];
  /** By topic. */
  readonly outcomes = new Map<string, PublishOutcome[]>();
  readonly numbers = new Map<string, number[]>();
  readonly #toRoot: Message[] = [];
  readonly #toLeaf: Message[] = [];
  readonly #root: NumberedEvents;
  readonly #leaf: FollowedEvents;
  #isDeaf = false;
  #own: number[] = [];
  #count = 0;

  constructor(keptBytes: number) {
    this.#root = new NumberedEvents({
      mayNumber: () => true,
      send: (batch) => this.#isDeaf || this.#leafReads(batch),
      deliver: ({ topic, seq }) => this.numbers.set(topic, [...(this.numbers.get(topic) ?? []), seq]),
      keptBytes: () => keptBytes,
    });
    this.#leaf = new FollowedEvents({
      rank: OWN,
      keepsRecent: true,
      send: (message) => this.#toRoot.push(message),
      deliver: ({ seq }) => this.delivered.push(seq),
      missed: (after, upTo) => {
        expect(this.#leaf.seq).toBe(after);
        this.gaps.push([after, upTo]);
      },
    });
    this.#leaf.begin(0);
  }

  publishElsewhere(): void {
    this.#root.number({ type: "event", topic: `other.${this.#count++}`, seq: 0 }, 0);
    this.#root.flush();
  }

  publish(): void {
    const topic = `own.${this.#count++}`;
    const outcomes: PublishOutcome[] = [];
    this.outcomes.set(topic, outcomes);
    this.#leaf.publish({ topic }, (outcome) => outcomes.push(outcome));
    this.#leaf.flush();
  }

  setDeaf(isDeaf: boolean): void {
    this.#isDeaf = isDeaf;
  }

  /** Another connection takes the place of this one. */
  reconnect(): void {
    this.#leaf.pause();
    this.#toRoot.length = 0;
    this.#toLeaf.length = 0;
    this.#own = [];
    this.#leaf.resume(this.#root.seq);
  }

  rootReads(): void {
    const message = this.#toRoot.shift();
    if (message === undefined) return;
    const arrival = readArrival(message);
    if (arrival.type === "events") {
      for (const event of arrival.events) this.#own.push(this.#root.number(event, OWN));
      this.#root.flush();
    }
    if (arrival.type !== "notice" || arrival.notice.kind !== "missed") return;
    const missed = this.#root.since(arrival.notice.seq);
    this.#toLeaf.push(...(missed ?? []));
    const [isKept, seq, own] = [missed !== undefined, this.#root.seq, this.#own];
    this.#toLeaf.push(noticeMessage({ kind: "repeated", isKept, seq, own }));
  }

  leafReads(): void {
    const message = this.#toLeaf.shift();
    if (message !== undefined) this.#leafReads(message);
  }

  /** Everything arrives from now on. */
  settle(): void {
    this.#isDeaf = false;
    for (;;) {
      this.#leaf.sent(this.#root.seq);
      this.#leaf.flush();
      if (this.#toRoot.length + this.#toLeaf.length === 0) return;
      this.rootReads();
      this.leafReads();
    }
  }

  #leafReads(message: Message): void {
    const arrival = readArrival(message);
    if (arrival.type === "events") this.#leaf.add(arrival.events, arrival.origin);
    if (arrival.type === "notice" && arrival.notice.kind === "repeated") this.#leaf.repeated(arrival.notice);
  }
}

type Step = (pair: Pair) => void;

const STEPS: Readonly<Record<string, Step>> = {
  publish: (pair) => pair.publish(),
  publishElsewhere: (pair) => pair.publishElsewhere(),
  loseEvents: (pair) => pair.setDeaf(true),
  loseNoEvents: (pair) => pair.setDeaf(false),
  reconnect: (pair) => pair.reconnect(),
  rootReads: (pair) => pair.rootReads(),
  leafReads: (pair) => pair.leafReads(),
};

test("a rank continues after each gap, and each of its own events is published once, or at most once and fails", () => {
  const steps = fc.array(fc.constantFrom(...Object.keys(STEPS)), { maxLength: 80 });
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 3000 }), (names, keptBytes) => {
      const pair = new Pair(keptBytes);
      for (const name of names) STEPS[name]?.(pair);
      pair.settle();
      const upTo = new Map(pair.gaps);
      let seq = 0;
      for (const delivered of pair.delivered) {
        seq = (upTo.get(seq) ?? seq) + 1;
        expect(delivered).toBe(seq);
      }
      for (const [topic, outcomes] of pair.outcomes) {
        const numbers = pair.numbers.get(topic) ?? [];
        expect(outcomes).toHaveLength(1);
        const [outcome] = outcomes;
        if (outcome?.ok === true) expect(numbers).toEqual([outcome.seq]);
        else {
          // Only a connection that ended leaves it unknown.
          expect(names).toContain("reconnect");
          expect(outcome?.error).toMatchObject({ errnum: ERRNO.ENODATA });
          expect(numbers.length).toBeLessThanOrEqual(1);
        }
      }
    }),
    { numRuns: 500 },
  );
});

test("an event keeps its number although the rank misses the event itself", () => {
  const pair = new Pair(1);
  pair.setDeaf(true);
  for (let n = 0; n < 5; n++) pair.publishElsewhere();
  pair.publish();
  pair.settle();
  expect(pair.gaps).toHaveLength(1);
  expect([...pair.outcomes.values()]).toEqual([[{ ok: true, seq: 6 }]]);
});
