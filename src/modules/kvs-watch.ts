import { messageOf, requestError } from "../errors/index.js";
import {
  type Event,
  fields,
  followEvents,
  type Handle,
  type JsonValue,
  type Payload,
  requestFields,
} from "../messages/index.js";

/**
 * Follows keys of the KVS. Answers the streaming request `watch {key}` with the present value of the key, then with
 * its value after each commit that touches it. That is `{value, version}`, without `value` while it is unset or a
 * directory. Commits in quick succession may be answered once, with the last of them.
 */
export async function modMain(h: Handle): Promise<void> {
  const watchers = new Watchers();
  const committed = ({ payload }: Event): void => {
    try {
      const { version, keys, all } = fields(payload, {
        version: "integer",
        keys: "string[]",
        all: "boolean?",
      });
      watchers.committed(version, all === true ? "all" : keys);
    } catch (error) {
      // An invalid event must not end all streams, because any client may publish this topic.
      h.log("warning", `ignored an event kvs.commit: ${messageOf(error)}`);
    }
  };
  await followEvents(h, "kvs.commit", committed, () => watchers.missed());
  h.handle("watch", (request) => {
    const { key } = requestFields(request.payload, { key: "string" });
    if (!request.streaming)
      throw requestError("EPROTO", `invalid request ${request.topic}: send it as a streaming request`);
    return watch(h, watchers, key, request.signal);
  });
  await h.run();
}

async function* watch(
  h: Handle,
  watchers: Watchers,
  key: string,
  signal: AbortSignal,
): AsyncGenerator<Payload, void> {
  const watcher = new Watcher(signal);
  watchers.add(key, watcher);
  try {
    let wasSet: boolean | undefined;
    while (!signal.aborted) {
      watcher.beginRead();
      const state = await read(h, key);
      watcher.endRead(state.version);
      const isSet = state.value !== undefined;
      if (isSet || wasSet !== false) yield isSet ? { ...state } : { version: state.version };
      wasSet = isSet;
      await watcher.changed();
    }
  } finally {
    watchers.remove(key, watcher);
  }
}

async function read(
  h: Handle,
  key: string,
): Promise<{ readonly value?: JsonValue; readonly version: number }> {
  const { value, version } = fields(await h.rpc("kvs.get", { key, optional: true }), {
    value: "json?",
    version: "integer",
  });
  return value === undefined ? { version } : { value, version };
}

/** One stream: the version that it has sent, and the newest version that it has received. */
class Watcher {
  readonly #signal: AbortSignal;
  #seen = -1;
  #heard = -1;
  #resume: (() => void) | undefined;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#resume?.(), { once: true });
  }

  beginRead(): void {
    this.#heard = -1;
  }

  /** The result of a read may or may not contain a commit that arrives during the read. */
  endRead(version: number): void {
    this.#seen = version;
  }

  /** @param anew whether versions have begun again, so that the watcher has not sent any of them */
  committed(version: number, anew: boolean): void {
    if (anew) this.#seen = -1;
    this.#heard = version;
    if (version > this.#seen) this.#resume?.();
  }

  /** Makes the watcher read its key again, because the missed commits are unknown. */
  missed(): void {
    this.committed(Infinity, true);
  }

  /** Resolves at a new commit, or when the stream has ended. */
  async changed(): Promise<void> {
    if (this.#signal.aborted || this.#heard > this.#seen) return;
    await new Promise<void>((resolve) => (this.#resume = resolve));
    this.#resume = undefined;
  }
}

class Watchers {
  /** Each watcher is under its key and all keys above it, because unlinking a directory also removes the key. */
  readonly #byKey = new Map<string, Set<Watcher>>();
  #version = -1;

  add(key: string, watcher: Watcher): void {
    for (const path of pathsTo(key)) {
      const set = this.#byKey.get(path);
      if (set === undefined) this.#byKey.set(path, new Set([watcher]));
      else set.add(watcher);
    }
  }

  remove(key: string, watcher: Watcher): void {
    for (const path of pathsTo(key)) {
      const set = this.#byKey.get(path);
      set?.delete(watcher);
      if (set?.size === 0) this.#byKey.delete(path);
    }
  }

  /** Commits were missed, with any keys and any versions. */
  missed(): void {
    this.#version = -1;
    for (const watchers of this.#byKey.values()) for (const watcher of watchers) watcher.missed();
  }

  /** @param keys that a commit has touched; all of them after a restore */
  committed(version: number, keys: readonly string[] | "all"): void {
    // A KVS that was started without its state counts versions from the beginning.
    const anew = version <= this.#version;
    this.#version = version;
    const sets =
      anew || keys === "all" ? this.#byKey.values() : keys.map((key) => this.#byKey.get(key) ?? []);
    for (const set of sets) for (const watcher of set) watcher.committed(version, anew);
  }
}

/** `a.b.c` → `a`, `a.b`, `a.b.c`. */
function* pathsTo(key: string): Generator<string> {
  for (let dot = key.indexOf("."); dot >= 0; dot = key.indexOf(".", dot + 1)) yield key.slice(0, dot);
  yield key;
}
