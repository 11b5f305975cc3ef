import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { blobref } from "../../../src/modules/content/blob.js";
import { SegmentStore } from "../../../src/modules/content/segment-store.js";

let base: string;
let warnings: string[];
beforeEach(() => {
  base = join(mkdtempSync(join(tmpdir(), "sluice-segments-")), "content");
  warnings = [];
});
afterEach(() => rmSync(join(base, ".."), { recursive: true, force: true }));

function open(): SegmentStore {
  mkdirSync(base, { recursive: true });
  return new SegmentStore({ base, onWarning: (text) => warnings.push(text) });
}

/** A head with one blob of its own. */
async function commit(store: SegmentStore, version: number): Promise<void> {
  const bytes = Buffer.alloc(20_000, `value ${version}`);
  const ref = blobref(bytes);
  await store.commit({ blobs: [{ ref, bytes }], records: { head: { version, ref } } });
}

test("an index that cannot be written costs nothing of what is answered afterwards", async () => {
  const store = open();
  for (let version = 1; version <= 5; version++) await commit(store, version);
  // Where the index of the first segment is drafted: writing it fails, as by EIO from its sync.
  mkdirSync(join(base, "segments/00000001.index.new"));
  await store.collect([]);
  expect(readdirSync(join(base, "segments")).filter((name) => name.endsWith(".log"))).toContain(
    "00000002.log",
  );
  expect(warnings).toEqual([expect.stringContaining("00000001.log: no index: EISDIR")]);
  await commit(store, 6);
  await store.collect([]);
  await commit(store, 7);
  await store.close();

  const again = open();
  expect(await again.record("head")).toMatchObject({ version: 7 });
  const { ref } = (await again.record("head")) as { ref: string };
  expect(String(Buffer.from((await again.load(ref)) ?? []).subarray(0, 7))).toBe("value 7");
  await again.close();
});
