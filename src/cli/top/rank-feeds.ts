import { messageOf } from "../../errors/index.js";
import { sleep } from "../../processes/index.js";
import type { Sampler } from "./sample.js";
import type { RankSample } from "./table.js";

/** A rank to show, and the function that reads it. */
export interface RankFeed {
  readonly rank: number;
  readonly sampler: Sampler;
}

export interface FeedOptions {
  /** Samples of each rank until it ends by itself. */
  readonly iterations: number;
  /** The time between a rank's failure and the next attempt. */
  readonly periodMs: number;
  /** Called at each sample, and when a rank fails. */
  readonly onChange: () => void;
}

/** The latest samples of the ranks of a screen. */
export class RankFeeds {
  readonly #feeds: readonly RankFeed[];
  readonly #options: FeedOptions;
  readonly #told: RankSample[];

  constructor(feeds: readonly RankFeed[], options: FeedOptions) {
    this.#feeds = feeds;
    this.#options = options;
    this.#told = feeds.map(({ rank }) => ({ rank, sample: undefined, problem: undefined }));
  }

  get told(): readonly RankSample[] {
    return this.#told;
  }

  /**
   * Takes samples until each rank has given the requested number. After a failure, it tries the rank again after a
   * period.
   * @throws SluiceError of one rank when all have failed; `ECANCELED` once the signal is aborted
   */
  async follow(signal: AbortSignal): Promise<void> {
    const ended = new AbortController();
    const either = AbortSignal.any([signal, ended.signal]);
    try {
      await Promise.all(this.#feeds.map((feed, at) => this.#followOne(feed, at, either)));
    } finally {
      ended.abort();
    }
  }

  async #followOne({ rank, sampler }: RankFeed, at: number, signal: AbortSignal): Promise<void> {
    const { iterations, periodMs, onChange } = this.#options;
    for (let left = iterations; left > 0;) {
      try {
        const { isDue, sample } = await sampler.change(signal);
        if (isDue) left -= 1;
        this.#told[at] = { rank, sample, problem: undefined };
        onChange();
      } catch (error) {
        this.#told[at] = { rank, sample: undefined, problem: messageOf(error) };
        if (signal.aborted || this.#told.every(({ problem }) => problem !== undefined)) throw error;
        onChange();
        left -= 1;
        sampler.reopen();
        await sleep(periodMs, signal);
      }
    }
  }
}
