import { requestError } from "../../errors/index.js";
import type { Backing } from "../content/backing.js";
import type { StoredBlob } from "../content/blob.js";
import { BulkTree } from "./bulk-tree.js";
import { checkpointRecord, headRecord, recordNames } from "./head.js";
import {
  type Damage,
  directContent,
  hasRoot,
  keptHeads,
  type Met,
  type NamedHead,
  VersionWalk,
} from "./fsck.js";
import { decodeKey, encodeKey, KEY_MAX_BYTES } from "./key.js";
import { type Entry, makeEntry } from "./node.js";

/** The directory for data that a repair cannot leave in its place. */
const LOST_AND_FOUND = "lost+found";

/** The result of a repair. */
export interface Repair {
  /** The number of the new version. */
  readonly version: number;
  /** Keys below `lost+found` with the remaining parts of other keys. */
  readonly found: readonly string[];
  /** The data that was lost. */
  readonly dropped: readonly string[];
}

/** The result of a check. */
export interface Report {
  readonly version: number;
  readonly keys: number;
  readonly damages: readonly Damage[];
  readonly repair?: Repair;
}

/** The readable part of one version. */
interface Salvage {
  readonly entries: { readonly key: string; readonly entry: Entry }[];
  readonly lost: Damage[];
  readonly dropped: string[];
}

/**
 * Reads all data that a store keeps. With `repair` it makes a version of the readable part. It searches
 * earlier versions for the keys of a damaged node. Those keys, and the rest of damaged values, come below
 * `lost+found`.
 * @param name of the KVS module
 */
export async function checkStore(store: Backing, name: string, repair: boolean): Promise<Report> {
  const { heads, damages } = await keptHeads(store, name);
  const all: Damage[] = [...damages];
  const broken = new Set<NamedHead>();
  let keys = 0;
  for (const [index, head] of heads.entries()) {
    const walk = new VersionWalk(store, head);
    for await (const met of walk.all()) {
      if (met.kind === "entry") continue;
      broken.add(head);
      all.push(met.damage);
    }
    if (index === 0) keys = walk.keys;
  }
  const version = Math.max(0, ...heads.map((head) => head.version));
  if (!repair || all.length === 0) return { version, keys, damages: all };
  return { version, keys, damages: all, repair: await repaired(store, name, { heads, broken, version }) };
}

async function repaired(
  store: Backing,
  name: string,
  {
    heads,
    broken,
    version,
  }: { heads: readonly NamedHead[]; broken: ReadonlySet<NamedHead>; version: number },
): Promise<Repair> {
  const salvage: Salvage = { entries: [], lost: [], dropped: [] };
  const earlier = [...heads];
  let newest = earlier.shift();
  while (newest !== undefined && !(await hasRoot(store, newest))) {
    salvage.dropped.push(`${newest.name}: its root is unreadable`);
    newest = earlier.shift();
  }
  if (newest === undefined) throw requestError("EIO", "no version is readable: restore a dump, or a backup");
  for await (const met of new VersionWalk(store, newest).all()) keep(salvage, met);
  const found = await fromEarlier(store, earlier, salvage);
  const blobs: StoredBlob[] = [];
  const tree = new BulkTree((blob) => blobs.push(blob));
  for (const { key, entry } of inOrder(salvage.entries)) tree.add(key, entry);
  const head = { root: tree.finish(), version: version + 1 };
  const whole = heads.flatMap((each) =>
    each.checkpoint === undefined || broken.has(each) ? [] : each.checkpoint,
  );
  const names = recordNames(name);
  await directContent(store).commit({
    blobs,
    records: {
      [names.head]: headRecord(head),
      [names.previous]: headRecord(head),
      [names.checkpoints]: checkpointRecord(whole.reverse()),
    },
  });
  return { version: head.version, found, dropped: salvage.dropped };
}

function keep(salvage: Salvage, met: Met): void {
  if (met.kind === "entry") {
    salvage.entries.push(met.found);
    return;
  }
  const { damage, bytes } = met;
  if (damage.kind === "keys") salvage.lost.push(damage);
  else if (bytes === undefined || !keepBelow(salvage, damage.key, makeEntry(Buffer.from(bytes).toString()))) {
    salvage.dropped.push(`${damage.key}: ${damage.problem}`);
  }
}

/** Keys of damaged nodes, from the newest readable version. */
async function fromEarlier(
  store: Backing,
  earlier: readonly NamedHead[],
  salvage: Salvage,
): Promise<string[]> {
  const seen = new Set<string>();
  for (const head of salvage.lost.length === 0 ? [] : earlier) {
    for await (const met of new VersionWalk(store, head).all()) {
      if (met.kind !== "entry" || !salvage.lost.some((range) => isIn(met.found.key, range))) continue;
      const key = decodeKey(met.found.key);
      if (!seen.has(key) && keepBelow(salvage, key, met.found.entry)) seen.add(key);
    }
  }
  for (const { key, until, problem, position } of salvage.lost) {
    const upTo = until === undefined ? "the last key" : `before ${until}`;
    salvage.dropped.push(
      `keys from ${key === "" ? "the first" : key} to ${upTo}, at ${position}: ${problem}`,
    );
  }
  const prefix = `${LOST_AND_FOUND}.`;
  return salvage.entries.map(({ key }) => decodeKey(key)).filter((key) => key.startsWith(prefix));
}

function isIn(encoded: string, { key, until }: Damage): boolean {
  const from = key === "" ? "" : encodeKey(key);
  return encoded >= from && (until === undefined || encoded < encodeKey(until));
}

/** @returns false where the name would be too long */
function keepBelow({ entries }: Salvage, key: string, entry: Entry): boolean {
  const name = `${LOST_AND_FOUND}.${key}`;
  if (Buffer.byteLength(name) > KEY_MAX_BYTES) return false;
  entries.push({ key: encodeKey(name), entry });
  return true;
}

/** The data of this repair replaces the same data of an earlier repair below `lost+found`. */
function inOrder(entries: Salvage["entries"]): Salvage["entries"] {
  const byKey = new Map(entries.map((item) => [item.key, item]));
  return [...byKey.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}
