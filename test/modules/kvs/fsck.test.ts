import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SqliteStore } from "../../../src/modules/content/sqlite-store.js";
import { parseOps } from "../../../src/modules/kvs/apply-ops.js";
import { directContent } from "../../../src/modules/kvs/fsck.js";
import { checkStore, type Report } from "../../../src/modules/kvs/repair.js";
import { KvsStore } from "../../../src/modules/kvs/store.js";
import { withDirectory } from "../instance.js";

const PAGE_BYTES = 4096;

/** Checks a store of SQLite whose page of this number, the first is 0, has only zeros. */
async function checkWithout(page: number, good: Buffer): Promise<Report> {
  return await withDirectory(async (directory) => {
    const file = join(directory, "content.sqlite");
    await writeFile(file, Buffer.from(good).fill(0, page * PAGE_BYTES, (page + 1) * PAGE_BYTES));
    const store = new SqliteStore(file, directory);
    try {
      return await checkStore(store, "kvs", false);
    } finally {
      store.close();
    }
  });
}

test("fsck reports the keys of a damaged page of content.sqlite, and reads all others", async () => {
  await withDirectory(async (directory) => {
    const file = join(directory, "content.sqlite");
    const store = new SqliteStore(file, directory);
    const kvs = new KvsStore({
      ...{ content: directContent(store), name: "kvs", history: 1, checkpoints: 5 },
      ...{ warn: () => undefined, onCommit: () => undefined },
    });
    await kvs.recover();
    const ops = Array.from({ length: 300 }, (_, n) => ({ key: `k${n}`, value: `${n}`.padEnd(900, "x") }));
    await kvs.commit(parseOps({ ops }));
    await kvs.garbage.finish();
    store.database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    store.close();
    const good = await readFile(file);
    const pages = Math.floor(good.length / PAGE_BYTES);
    const report = await checkWithout(pages - 2, good);
    expect(report.damages.length).toBeGreaterThan(0);
    expect(report.damages.length).toBeLessThan(300);
    for (const { key, problem } of report.damages) {
      expect(key).toMatch(/^k\d+$/);
      expect(problem).toMatch(/is unreadable: content\.sqlite: /);
    }
  });
});
