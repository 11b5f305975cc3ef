import { existsSync } from "node:fs";
import { join } from "node:path";
import { requestError } from "../../errors/index.js";
import type { Backing } from "./backing.js";
import { readInstanceFile, REMOTE, STORES } from "./instance-file.js";
import { SegmentStore } from "./segment-store.js";
import { SqliteStore } from "./sqlite-store.js";

/** The store of a state directory, opened without an instance. */
export interface OpenedStore {
  readonly provider: string;
  readonly store: Backing;
  close(): Promise<void>;
}

/** The store of a state directory: its provider, and the file or directory of its data. */
export interface StorePlace {
  readonly provider: string;
  readonly path: string;
}

/**
 * Finds the store that a state directory has, without a change to the directory.
 * @throws `ENOENT` if the directory has no store
 */
export function findStore(directory: string): StorePlace {
  const provider = readInstanceFile(directory)?.provider ?? providerIn(directory);
  if (provider === REMOTE) {
    throw requestError(
      "ENOENT",
      `${directory} has its data on NATS servers, not in files; 'sluice kvs dump' of the live instance reads all data`,
    );
  }
  const path = join(directory, STORES[provider ?? ""] ?? "");
  if (provider === undefined || path === directory || !existsSync(path)) {
    throw requestError("ENOENT", `${directory} has no store of a known provider`);
  }
  return { provider, path };
}

/**
 * Opens the store that a state directory has. The caller holds the lock of the directory.
 * @param onWarning called for each damaged part
 * @throws `ENOENT` if the directory has no store, `EIO` if the store is unreadable
 */
export function openStore(directory: string, onWarning: (text: string) => void): OpenedStore {
  const { provider, path } = findStore(directory);
  if (provider === "content-sqlite") {
    const store = new SqliteStore(path, directory);
    const close = (): Promise<void> => {
      store.close();
      return Promise.resolve();
    };
    return { provider, store, close };
  }
  const store = new SegmentStore({ base: path, onWarning });
  return { provider, store, close: () => store.close() };
}

function providerIn(directory: string): string | undefined {
  return Object.entries(STORES).find(([, file]) => existsSync(join(directory, file)))?.[0];
}
