/**
 * Eight writers and a reader: clients of their own, as others write them, for the life of one instance. What they send and
 * what is answered goes into the ledger.
 */
import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, isErrno } from "../../dist/index.js";
import { isWhole, describeValue, valueOf } from "./ledger.mjs";

export const WRITERS = 8;

/** Names of keys, below which the store has other keys too. */
const ROOT = "torture";
const OWN_KEYS = 6;
const SHARED_KEYS = 3;
/** So many values one key takes in turn, so that blobs become garbage and are needed again. */
const REPEATED_VALUES = 3;

/** No answer takes longer: an absent store fails requests after `content.wait`. */
const ANSWER_TIMEOUT_MS = 120_000;
const RECONNECT_MS = 20;

/** What a client had sent before it lost its connection may arrive so much later. */
const LINGERS_MS = 1000;

/** Where a number has two names, the first is the usual one: EAGAIN rather than EWOULDBLOCK. */
const ERRNO_NAMES = new Map(
  Object.entries(constants.errno)
    .map(([name, number]) => [number, name])
    .reverse(),
);

/** The kinds of a writer's puts, with their parts in a hundred. */
const PUTS = [
  { part: 45, values: (name, put) => ({ [`${name}.key${put.random.between(1, OWN_KEYS)}`]: put.value() }) },
  // Both or none of them are in the store.
  { part: 15, values: (name, put) => ({ [`${name}.left`]: put.value(), [`${name}.right`]: put.value() }) },
  {
    part: 15,
    values: (_, put) => ({ [`${ROOT}.shared.key${put.random.between(1, SHARED_KEYS)}`]: put.value() }),
  },
  { part: 10, values: (name, put) => ({ [`${name}.once.put${put.number}`]: put.value() }) },
  { part: 10, values: (name, put) => ({ [`${name}.repeated`]: put.repeatedValue() }) },
  { part: 5, values: (name, put) => ({ [`${name}.flag`]: put.number % 2 === 0 ? put.value() : undefined }) },
];

const nameOf = (writer) => `${ROOT}.writer${writer}`;

/** Keys that are always written together. */
export const PAIRS = Array.from({ length: WRITERS }, (_, writer) => [
  `${nameOf(writer)}.left`,
  `${nameOf(writer)}.right`,
]);

export class Writers {
  #instance;
  #ledger;
  #report;
  #stop = new AbortController();
  #lanes;
  /** Errors of puts, by code. */
  refused = {};

  /**
   * @param instance whose ranks the writers are spread over
   * @param numbers the number of the last put of each writer, which goes on from life to life
   * @param maxBytes of a value
   * @param report gets `{ kind, text }` for each violation
   */
  constructor({ instance, ledger, random, numbers, maxBytes, report }) {
    this.#instance = instance;
    this.#ledger = ledger;
    this.#report = report;
    const lanes = numbers.map((_, writer) =>
      this.#write({ writer, numbers, maxBytes, random: random(`writer ${writer}`) }),
    );
    this.#lanes = Promise.all([...lanes, this.#read(random("reader"))]);
    // Waited for in `stop`; until then nothing else has to hear of it.
    this.#lanes.catch(() => undefined);
  }

  /** Resolves when all that was sent has been answered or has failed, and the writers have gone. */
  async stop() {
    this.#stop.abort();
    await this.#lanes;
  }

  /** Resolves when so many more puts have been answered, the instance has ended, or the time is over. */
  async answered(count, { timeoutMs, signal }) {
    const goal = this.#ledger.answered + count;
    const deadlineMs = performance.now() + timeoutMs;
    while (this.#ledger.answered < goal && this.#instance.isRunning && performance.now() < deadlineMs) {
      if (signal.aborted) return false;
      await sleep(RECONNECT_MS);
    }
    return this.#ledger.answered >= goal;
  }

  async #write({ writer, numbers, maxBytes, random }) {
    const connection = new Connection(this.#instance, writer % this.#instance.ranks);
    while (!this.#stop.signal.aborted) {
      if (!(await connection.opened(this.#stop.signal))) break;
      const number = ++numbers[writer];
      const values = drawValues({ writer, number, maxBytes, random });
      const isAnswered = await this.#put(connection, { writer, number, values });
      // Some are slow, so that not all commits are those of a batch.
      if (!isAnswered || random.percent(20)) await sleep(random.between(1, 20));
    }
    await connection.close();
  }

  async #put(connection, { writer, number, values }) {
    const commit = this.#ledger.begin({ writer, number, values });
    const ops = Object.entries(values).map(([key, value]) =>
      value === undefined ? { key, unlink: true } : { key, value },
    );
    try {
      const { version } = await connection.rpc("kvs.commit", { ops });
      const wrong = this.#ledger.answer(commit, version);
      if (wrong !== undefined) this.#report({ kind: "backwards", text: wrong });
      return true;
    } catch (error) {
      this.#failed(commit, error, connection.isOpen);
      return false;
    }
  }

  #failed(commit, error, isConnected) {
    const { title } = commit.puts[0].attempt;
    if (isErrno(error, "ETIMEDOUT") && this.#instance.isRunning) {
      // It may still come, so that it has not ended for the ledger.
      this.#report({ kind: "hang", text: `${title} was not answered within ${ANSWER_TIMEOUT_MS / 1000} s` });
      return;
    }
    this.#ledger.fail(commit, isConnected ? 0 : LINGERS_MS);
    const name = ERRNO_NAMES.get(error.errnum) ?? error.code ?? error.message;
    this.refused[name] = (this.refused[name] ?? 0) + 1;
  }

  /** Reads what was written while it is being written: an answered put is seen by all that ask from then on. */
  async #read(random) {
    const connection = new Connection(this.#instance, this.#instance.ranks - 1);
    while (!this.#stop.signal.aborted) {
      if (!(await connection.opened(this.#stop.signal))) break;
      const name = nameOf(random.between(0, WRITERS - 1));
      await this.#readKey(connection, `${name}.key${random.between(1, OWN_KEYS)}`);
      await sleep(random.between(0, 10));
    }
    await connection.close();
  }

  async #readKey(connection, key) {
    const before = this.#ledger.latest(key);
    const versionBefore = this.#ledger.version;
    let found;
    try {
      found = await connection.rpc("kvs.get", { key, optional: true });
    } catch {
      // Reads may fail while a fault is there; what they answer may not be wrong.
      return;
    }
    const { value, version } = found;
    if (version < versionBefore) {
      const text = `a reader was answered version ${version}, after version ${versionBefore} was answered`;
      this.#report({ kind: "backwards", text });
    }
    if (!isWhole(value)) this.#report({ kind: "torn", key, text: `${key}: ${describeValue(value)}` });
    else if ((value?.number ?? 0) < before.number) {
      const what = value === undefined ? "no such key" : describeValue(value);
      this.#report({
        kind: "loss",
        key,
        text: `${key}: a reader found ${what} after ${before.title} was answered`,
      });
    }
  }
}

/** A client that connects again when it has lost its connection: to another rank if its own is gone. */
class Connection {
  #instance;
  #rank;
  #handle;
  isOpen = false;

  constructor(instance, rank) {
    this.#instance = instance;
    this.#rank = rank;
  }

  /** Whether there is a connection now; not when the instance has ended. */
  async opened(signal) {
    while (!this.isOpen && this.#instance.isRunning && !signal.aborted) {
      await this.#open(this.#rank);
      if (!this.isOpen && this.#rank !== 0) await this.#open(0);
      if (!this.isOpen) await sleep(RECONNECT_MS);
    }
    return this.isOpen;
  }

  rpc(topic, payload) {
    return this.#handle.rpc(topic, payload, { timeoutMs: ANSWER_TIMEOUT_MS });
  }

  async close() {
    if (this.isOpen) await this.#handle.close();
  }

  async #open(rank) {
    try {
      this.#handle = await connect(this.#instance.uri(rank));
    } catch (error) {
      if (error.code !== "BROKER_UNREACHABLE") throw error;
      return;
    }
    this.isOpen = true;
    void this.#handle.closed.then(() => (this.isOpen = false));
  }
}

function drawValues({ writer, number, maxBytes, random }) {
  let rest = random.next() * 100;
  const { values } = PUTS.find(({ part }) => (rest -= part) < 0) ?? PUTS[0];
  // Values from 4 KiB are blobs of their own.
  const sizeBytes = Math.min(
    maxBytes,
    random.percent(15) ? random.between(4096, 65_536) : random.between(16, 400),
  );
  const value = valueOf(writer, number, sizeBytes);
  const repeated = valueOf(writer, number % REPEATED_VALUES, Math.min(maxBytes, 8192));
  return values(nameOf(writer), { number, random, value: () => value, repeatedValue: () => repeated });
}
