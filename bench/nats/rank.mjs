/**
 * One rank of an instance over NATS, in a process of its own. Its argument is what {@link natsOverlay} needs, as JSON. The
 * process that has started it calls the functions below, see ranks.mjs.
 */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { reaches, startRank } from "./brokers.mjs";

/** Publishing has so many under way. */
const UNDER_WAY = 100;

const EHOSTUNREACH = 113;
const REQUEST_EVERY_MS = 50;

const broker = await startRank(JSON.parse(process.argv[2]));
const handle = await broker.connect();
const heard = new Map();

/** What has come of a topic: that it is whole and in order is seen by the numbers, and that of others by the digest. */
class Heard {
  #count = 0;
  #last = 0;
  #isInOrder = true;
  #digest = createHash("sha256");
  #waiting = [];

  take({ seq, topic, payload }) {
    if (this.#count > 0 && seq !== this.#last + 1) this.#isInOrder = false;
    this.#last = seq;
    this.#count += 1;
    this.#digest.update(`${seq} ${topic} ${JSON.stringify(payload)}\n`);
    this.#waiting = this.#waiting.filter(({ count, resolve }) => this.#count < count || resolve());
  }

  async reached(count) {
    if (this.#count < count) await new Promise((resolve) => this.#waiting.push({ count, resolve }));
    return { isInOrder: this.#isInOrder, count: this.#count, digest: this.#digest.copy().digest("hex") };
  }
}

const CALLS = {
  async listen(topic) {
    const state = new Heard();
    heard.set(topic, state);
    await handle.subscribe(topic, (event) => state.take(event));
  },

  /** Resolves when so many events of the topic have come. */
  reached: (topic, count) => heard.get(topic).reached(count),

  /** Publishes, and gives the longest time from one acknowledgement to the next. */
  async publish(topic, count) {
    let atMs;
    let pauseMs = 0;
    const underWay = new Set();
    for (let n = 0; n < count; n++) {
      const sent = handle.publish(topic, n).then(() => {
        const nowMs = performance.now();
        pauseMs = Math.max(pauseMs, nowMs - (atMs ?? nowMs));
        atMs = nowMs;
        underWay.delete(sent);
      });
      underWay.add(sent);
      if (underWay.size >= UNDER_WAY) await Promise.race(underWay);
    }
    await Promise.all(underWay);
    return pauseMs;
  },

  /** Resolves when this rank reaches so many others. */
  reaches: (count) => reaches(broker, count),

  /** The name of the server that this rank is connected to. */
  async server() {
    const { ranks } = await handle.rpc("overlay.status", undefined, { rank: 0 });
    return ranks.find(({ rank }) => rank === handle.rank).server;
  },

  /** Asks a rank all the time. Gives when the first request failed, of all clocks the one that processes share. */
  async askUntilLost(rank) {
    let failedAtMs;
    while (failedAtMs === undefined) {
      handle.rpc("broker.ping", 1, { rank }).catch(({ errnum, message }) => {
        if (errnum !== EHOSTUNREACH) throw new Error(message);
        failedAtMs ??= Date.now();
      });
      await sleep(REQUEST_EVERY_MS);
    }
    return failedAtMs;
  },
};

process.on("message", async ({ id, call, args }) => {
  try {
    process.send({ id, value: await CALLS[call](...args) });
  } catch (error) {
    process.send({ id, error: error.message });
  }
});
process.on("disconnect", () => process.exit(0));
process.send({ id: 0 });
