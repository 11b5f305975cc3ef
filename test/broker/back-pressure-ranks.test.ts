/** Requests from other ranks, for a receiver that takes nothing. */
import { describe, expect, test, vi } from "vitest";
import { ERRNO } from "../../src/errors/index.js";
import { fields, type Handle, type Payload } from "../../src/messages/index.js";
import {
  meeting,
  type OverlayKind,
  OVERLAYS,
  presentRanks,
  SOON_LOST,
  startRanks,
  type TestRank,
} from "./support/ranks-of-a-test.js";

/** More than may wait for one receiver in any way, so that all are answered only if some are held back. */
const MANY = 52_000;
/**
 * More than wait for one receiver before their sender is held. What rank 0 passes on between two others may all be
 * under way before the first word of holding is back.
 */
const SOME = 35_000;
const LIMIT = 10_000;
const LAST_LIMIT = 40_000;

const PATIENTLY = { interval: 5, timeout: 120_000 };

// So many messages take a while where the machine is busy.
vi.setConfig({ testTimeout: 240_000 });

function echo(seen: Payload[] = []) {
  return async (h: Handle): Promise<void> => {
    h.handle("echo", (request) => {
      seen.push(request.payload);
      return request.payload;
    });
    await h.run();
  };
}

function at(ranks: readonly TestRank[], rank: number): TestRank {
  const found = ranks[rank];
  if (found === undefined) throw new Error(`there is no rank ${rank}`);
  return found;
}

async function waiting({ handle }: TestRank, module: string): Promise<number> {
  const { modules } = fields(await handle.rpc("module.list"), { modules: "array" });
  const found = modules.map((entry) => fields(entry, { name: "string", sendq: "integer" }));
  return found.find(({ name }) => name === module)?.sendq ?? -1;
}

interface Flooded {
  readonly ranks: readonly TestRank[];
  readonly seen: Payload[];
  readonly answers: readonly Promise<Payload>[];
}

interface Flood {
  readonly many: number;
  readonly attributes?: Readonly<Record<string, string>>;
}

/** A module of one rank takes nothing, and a client of another has asked it more than may wait for it. */
async function flooded(
  kind: OverlayKind,
  from: number,
  to: number,
  { many, attributes = {} }: Flood,
): Promise<Flooded> {
  const seen: Payload[] = [];
  const ranks = await startRanks(3, await meeting(kind, attributes), { slow: echo(seen), quick: echo() });
  const target = at(ranks, to);
  for (const name of ["slow", "quick"]) await target.handle.rpc("module.load", { path: `/mem/${name}` });
  await target.handle.rpc("module.debug", { name: "slow", defer: true });
  const client = await at(ranks, from).broker.connect();
  const answers = Array.from({ length: many }, (_, n) => client.rpc("slow.echo", n, { rank: to }));
  await vi.waitFor(
    async () => expect(await waiting(target, "slow")).toBeGreaterThanOrEqual(LIMIT),
    PATIENTLY,
  );
  return { ranks, seen, answers };
}

/** What each request has come to, without how often. */
async function errnums(answers: readonly Promise<Payload>[]): Promise<Set<unknown>> {
  const outcomes = await Promise.allSettled(answers);
  return new Set(
    outcomes.map((outcome) =>
      outcome.status === "rejected" ? (outcome.reason as { errnum: unknown }).errnum : "answered",
    ),
  );
}

describe.each(
  OVERLAYS.flatMap((kind) => [
    { kind, from: 1, to: 0, many: MANY },
    { kind, from: 0, to: 1, many: MANY },
    { kind, from: 1, to: 2, many: SOME },
  ]),
)("over $kind a sender on rank $from that floods a receiver on rank $to", ({ kind, from, to, many }) => {
  test("is held, so that all it asks is answered in the end, in order", async () => {
    const { ranks, seen, answers } = await flooded(kind, from, to, { many });
    const target = at(ranks, to);
    // Others on its rank are not, whoever they ask.
    const bystander = await at(ranks, from).broker.connect();
    for (let n = 0; n < 100; n++) expect(await bystander.rpc("quick.echo", n, { rank: to })).toBe(n);
    expect(await waiting(target, "slow")).toBeLessThan(LAST_LIMIT);
    await target.handle.rpc("module.debug", { name: "slow", defer: false });
    await Promise.all(answers);
    expect(seen).toEqual(Array.from({ length: many }, (_, n) => n));
    expect(ranks.map(({ broker }) => broker.pendingRequests)).toEqual([0, 0, 0]);
  });

  test("goes on when the receiver is removed, and is told for each request", async () => {
    const { ranks, answers } = await flooded(kind, from, to, { many: SOME });
    const reasons = errnums(answers);
    await at(ranks, to).handle.rpc("module.remove", { name: "slow", cancel: true });
    expect(await reasons).toEqual(new Set([ERRNO.ECONNRESET, ERRNO.ENOSYS]));
  });
});

test.each(OVERLAYS)(
  "over %s a sender that is held for a rank goes on when that rank is lost",
  async (kind) => {
    const { ranks, answers } = await flooded(kind, 0, 2, { many: SOME, attributes: SOON_LOST });
    const reasons = errnums(answers);
    at(ranks, 2).cut();
    await presentRanks(at(ranks, 0).broker, 1);
    expect(await reasons).toEqual(new Set([ERRNO.EHOSTUNREACH]));
  },
);
