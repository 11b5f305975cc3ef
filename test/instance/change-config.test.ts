/** A change of the configuration of several ranks (docs/design/programs.md §3). */
import { describe, expect, test } from "vitest";
import { ERRNO, isErrno, requestError } from "../../src/errors/index.js";
import { changeConfigOnAll } from "../../src/instance/change-config.js";
import { fields, type Handle, type Payload } from "../../src/messages/index.js";
import { meeting, presentRanks, startRank, type TestRank } from "../broker/support/ranks-of-a-test.js";
import type { ConfigTable } from "../../src/units/index.js";

interface Site {
  readonly ranks: readonly TestRank[];
  readonly handle: Handle;
  /** Each configuration that a module was told of, with its rank. */
  readonly told: (readonly [rank: number, config: Payload])[];
  /** What the files of a rank say; an error: they cannot be read. */
  readonly files: Map<number, ConfigTable | Error>;
  readonly current: () => Promise<unknown[]>;
}

/** Three ranks, each with a module that refuses what has `bad` set to its rank. */
async function site(): Promise<Site> {
  const at = await meeting("local");
  const told: [number, Payload][] = [];
  const files = new Map<number, ConfigTable | Error>();
  const start = async (rank: number): Promise<TestRank> => {
    const watcher = async (h: Handle): Promise<void> => {
      h.handle("config-reload", ({ payload }) => {
        told.push([rank, payload]);
        if (fields(payload, { bad: "integer?" }).bad === rank) throw requestError("EINVAL", "not for me");
        return null;
      });
      await h.run();
    };
    const readConfig = async (): Promise<ConfigTable> => {
      const read = files.get(rank) ?? {};
      return read instanceof Error ? Promise.reject(read) : Promise.resolve(read);
    };
    const checkConfig = ({ invalid }: Readonly<Record<string, unknown>>): string | undefined =>
      invalid === rank ? "invalid config key" : undefined;
    const more = { config: { v: 1 }, readConfig, checkConfig };
    const started = await startRank({ rank, size: 3, at, more }, { watcher });
    await started.handle.rpc("module.load", { path: "/mem/watcher" });
    return started;
  };
  const ranks = await Promise.all([0, 1, 2].map(start));
  await Promise.all(ranks.map(({ broker }) => presentRanks(broker, 2)));
  const [{ handle } = { handle: undefined }] = ranks;
  if (handle === undefined) throw new Error("no rank 0");
  const current = (): Promise<unknown[]> =>
    Promise.all(
      [0, 1, 2].map(
        async (rank) => fields(await handle.rpc("config.get", {}, { rank }), { value: "json" }).value,
      ),
    );
  return { ranks, handle, told, files, current };
}

const ALL = [0, 1, 2];

describe("a change on all ranks", () => {
  test("is told to every module once each rank has checked it", async () => {
    const { handle, told, current } = await site();
    expect(await changeConfigOnAll(handle, ALL, { v: 2 })).toEqual([]);
    expect(await current()).toEqual([{ v: 2 }, { v: 2 }, { v: 2 }]);
    expect(told.map(([rank]) => rank).sort()).toEqual(ALL);
  });

  test("is told to no module if one rank finds it invalid, and that rank is named", async () => {
    const { handle, told, current } = await site();
    const problems = await changeConfigOnAll(handle, ALL, { v: 2, invalid: 1 });
    expect(problems.map(({ rank, reason }) => [rank, isErrno(reason, "EINVAL")])).toEqual([[1, true]]);
    expect([told, await current()]).toEqual([[], [{ v: 1 }, { v: 1 }, { v: 1 }]]);
  });

  test("is put back on the others if a module of one refuses it", async () => {
    const { handle, current } = await site();
    const problems = await changeConfigOnAll(handle, ALL, { v: 2, bad: 2 });
    expect(problems).toMatchObject([
      { rank: 2, reason: { errnum: ERRNO.EINVAL, message: "watcher: not for me" } },
    ]);
    expect(await current()).toEqual([{ v: 1 }, { v: 1 }, { v: 1 }]);
  });
});

describe("a reload on all ranks", () => {
  test("takes what the files of each rank say", async () => {
    const { handle, files, current } = await site();
    for (const rank of ALL) files.set(rank, { of: BigInt(rank) });
    expect(await changeConfigOnAll(handle, ALL)).toEqual([]);
    expect(await current()).toEqual([{ of: 0 }, { of: 1 }, { of: 2 }]);
  });

  test("is told to no module if one rank cannot read its files", async () => {
    const { handle, files, told, current } = await site();
    for (const rank of ALL) files.set(rank, { of: BigInt(rank) });
    files.set(1, requestError("EINVAL", "site.toml:3:1: invalid"));
    const problems = await changeConfigOnAll(handle, ALL);
    expect(problems).toMatchObject([{ rank: 1, reason: { message: "site.toml:3:1: invalid" } }]);
    expect([told, await current()]).toEqual([[], [{ v: 1 }, { v: 1 }, { v: 1 }]]);
  });
});
