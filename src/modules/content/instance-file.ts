import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isErrno, messageOf, requestError } from "../../errors/index.js";
import { fields, type Handle, type JsonValue } from "../../messages/index.js";
import type { Backing } from "./backing.js";
import { syncDirectorySync } from "./state-directory.js";

/** The record of a store that names its owner. A store that was emptied lacks it. */
const IDENTITY = "sluice.instance";
const FORMAT = 1;

/** The content of `instance.json` in a state directory. */
export interface InstanceFile {
  /** The `instance-id` of the first start on this directory. */
  readonly instance: string;
  /** The provider of `content-backing` that has its data. */
  readonly provider: string;
  readonly format: number;
}

/** The place of the data of each shipped provider, below the state directory. */
export const STORES: Readonly<Record<string, string>> = {
  "content-sqlite": "content.sqlite",
  "content-files": "content",
};

/** The directory only has this entry, because this provider keeps its data elsewhere. */
export const REMOTE = "content-nats";

/**
 * @returns undefined if there is no such file
 * @throws `EIO` if it cannot be read as one
 */
export function readInstanceFile(directory: string): InstanceFile | undefined {
  const path = join(directory, "instance.json");
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
  try {
    return fields(JSON.parse(text) as JsonValue, {
      instance: "string",
      provider: "string",
      format: "integer",
    });
  } catch (error) {
    throw requestError(
      "EIO",
      `${path} is damaged: ${messageOf(error)}; start with -S content.adopt=1`,
      error,
    );
  }
}

/** A provider that is about to open its store in a state directory. */
export class StateClaim {
  readonly #h: Handle;
  readonly #directory: string;
  readonly #provider: string;
  readonly #isAdopting: boolean;
  readonly #known: InstanceFile | undefined;

  private constructor(h: Handle, directory: string, options: { provider: string; isAdopting: boolean }) {
    this.#h = h;
    this.#directory = directory;
    this.#provider = options.provider;
    this.#isAdopting = options.isAdopting;
    this.#known = options.isAdopting ? undefined : readInstanceFile(directory);
  }

  /**
   * Checks whether the directory belongs to this provider, before any change to it.
   * @param provider the name of its shipped file, even if it was loaded under another name
   * @throws `EEXIST` if another provider has its data, or its own store is missing
   */
  static async make(h: Handle, directory: string, provider: string): Promise<StateClaim> {
    const isAdopting = (await h.attr("content.adopt")) === "1";
    const claim = new StateClaim(h, directory, { provider, isAdopting });
    if (!isAdopting) claim.#check();
    return claim;
  }

  /** The instance that already has the directory. */
  get instance(): string | undefined {
    return this.#known?.instance;
  }

  /**
   * Checks whether the opened store is the one that the directory had, and notes its owner.
   * @throws `EEXIST` if it is not
   */
  async settle(store: Backing): Promise<void> {
    const stored = await store.record(IDENTITY);
    const found = typeof stored === "string" ? stored : undefined;
    if (this.#known !== undefined && found !== this.#known.instance) throw this.#gone(this.#known);
    if (found === undefined && !this.#isAdopting && (await this.#h.attr("overlay.successor")) === "1")
      throw this.#elsewhere();
    const instance = found ?? (await this.#h.attr("instance-id")) ?? "unknown";
    try {
      if (found === undefined) await store.commit({ blobs: [], records: { [IDENTITY]: instance } });
      if (this.#known === undefined) this.#write({ instance, provider: this.#provider, format: FORMAT });
    } catch (error) {
      if (!isErrno(error, "ENOSPC")) throw error;
      this.#h.log("warning", `the disk of ${this.#directory} is full: the store is read-only`);
    }
  }

  #check(): void {
    const known = this.#known;
    if (known === undefined) {
      const other = Object.entries(STORES).find(([name, file]) => name !== this.#provider && this.#has(file));
      // A directory of version 0.3, which has no owner.
      if (other !== undefined && !this.#has(STORES[this.#provider] ?? "")) throw this.#others(other[0], "");
      return;
    }
    if (known.provider !== this.#provider) throw this.#others(known.provider, known.instance);
    if (known.format > FORMAT) {
      throw requestError("EINVAL", `${this.#directory} is from a newer version (format ${known.format})`);
    }
    if (this.#provider !== REMOTE && !this.#has(STORES[this.#provider] ?? "")) throw this.#gone(known);
  }

  #has(file: string): boolean {
    return file !== "" && existsSync(join(this.#directory, file));
  }

  #others(provider: string, instance: string): Error {
    const whose = instance === "" ? "" : ` (instance ${instance})`;
    return requestError(
      "EEXIST",
      `statedir ${this.#directory} has the data of ${provider}${whose}; ${this.#provider} would create an empty store\n` +
        `  hint: start with ${provider}; to move the data: 'sluice kvs dump FILE' under ${provider}, then 'sluice kvs restore FILE' ` +
        `under ${this.#provider} with a new statedir; to abandon the data: -S content.adopt=1`,
    );
  }

  #gone({ instance }: InstanceFile): Error {
    const file = this.#provider === REMOTE ? "bucket" : STORES[this.#provider];
    return requestError(
      "EEXIST",
      `statedir ${this.#directory} belongs to instance ${instance} of ${this.#provider}, ` +
        `whose ${file ?? ""} is missing, empty or of another instance\n` +
        `  hint: restore the data from a backup; or create an empty store: -S content.adopt=1, then 'sluice kvs restore FILE'`,
    );
  }

  /** A standby leads, and cannot reach the data that the rank 0 before it has stored. */
  #elsewhere(): Error {
    return requestError(
      "EEXIST",
      `${this.#provider} on this host lacks the data of the previous rank 0\n` +
        `  hint: start every rank 0 with --standby, which chooses content-nats; or give every rank 0 content-files ` +
        `with a statedir on a shared file system; to create an empty store: -S content.adopt=1`,
    );
  }

  /** Appears as a whole, or not at all. */
  #write(content: InstanceFile): void {
    const path = join(this.#directory, "instance.json");
    try {
      writeFileSync(`${path}.new`, `${JSON.stringify(content)}\n`, { mode: 0o600, flush: true });
      renameSync(`${path}.new`, path);
    } catch (error) {
      rmSync(`${path}.new`, { force: true });
      throw error;
    }
    syncDirectorySync(this.#directory);
  }
}
