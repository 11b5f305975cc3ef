import { createHash } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { isErrno } from "../errors/index.js";
import { fields, type Handle, type JsonValue } from "../messages/index.js";
import { DirectorySync } from "./content/directory-sync.js";
import { parseJson } from "./content/json.js";
import { Lanes } from "./content/lanes.js";
import { type Backing, serveBacking } from "./content/serve-backing.js";
import { stateDirectory, syncDirectory } from "./content/state-directory.js";

/** Most files that are open at a time, well below the usual limit of 1,024. */
const OPEN_FILES_MAX = 32;

/**
 * Provides `content-backing` from one file a blob: `content/HH/REST` below the attribute `statedir`, or without that
 * below `rundir`, where HH are the first two digits of the digest. A file appears under its name by a rename, after its
 * bytes are on the disk; the answer waits until the name is, too.
 */
export async function modMain(h: Handle): Promise<void> {
  const backing = new FilesBacking(join(await stateDirectory(h), "content"));
  await backing.open();
  await serveBacking(h, backing);
  await h.run();
  await backing.idle();
}

class FilesBacking implements Backing {
  readonly #base: string;
  readonly #reads = new Lanes(OPEN_FILES_MAX);
  readonly #writes = new Lanes(OPEN_FILES_MAX);
  /** One lane, so that of two puts of one key the later one stays. */
  readonly #checkpoints = new Lanes(1);
  readonly #names = new DirectorySync();
  #written = 0;

  constructor(base: string) {
    this.#base = base;
  }

  /** Makes all directories, durably, and clears away what was being written when an earlier process died. */
  async open(): Promise<void> {
    await rm(this.#temporary(), { recursive: true, force: true });
    const fanOut = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
    for (const name of [...fanOut, "checkpoints", "temporary"]) {
      await mkdir(join(this.#base, name), { recursive: true, mode: 0o700 });
    }
    await syncDirectory(this.#base);
    await syncDirectory(join(this.#base, ".."));
  }

  store(ref: string, bytes: Uint8Array): Promise<void> {
    return this.#writes.run(() => this.#put(this.#blobPath(ref), bytes));
  }

  load(ref: string): Promise<Uint8Array | undefined> {
    return this.#reads.run(() => readIfThere(this.#blobPath(ref)));
  }

  putCheckpoint(key: string, value: JsonValue): Promise<void> {
    const bytes = Buffer.from(JSON.stringify({ key, value }));
    return this.#checkpoints.run(() => this.#put(this.#checkpointPath(key), bytes));
  }

  async getCheckpoint(key: string): Promise<JsonValue | undefined> {
    const bytes = await this.#reads.run(() => readIfThere(this.#checkpointPath(key)));
    if (bytes === undefined) return undefined;
    return fields(parseJson(bytes), { value: "json" }).value;
  }

  /** Resolves when all writes have ended. */
  async idle(): Promise<void> {
    await Promise.all([this.#writes.idle(), this.#checkpoints.idle()]);
  }

  async #put(path: string, bytes: Uint8Array): Promise<void> {
    const temporary = this.#temporary(String(this.#written++));
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await this.#names.sync(join(path, ".."));
  }

  #temporary(...name: string[]): string {
    return join(this.#base, "temporary", ...name);
  }

  #blobPath(ref: string): string {
    const digest = ref.slice(ref.indexOf("-") + 1);
    return join(this.#base, digest.slice(0, 2), digest.slice(2));
  }

  /** Keys are free text; a digest of it is a file name whatever its length and characters. */
  #checkpointPath(key: string): string {
    return join(this.#base, "checkpoints", createHash("sha256").update(key).digest("hex"));
  }
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}
