import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { isErrno } from "../../errors/index.js";
import { fields, type JsonValue } from "../../messages/index.js";
import { parseJson } from "./json.js";

/** The store of version 0.3: one file for each blob, `HH/REST`, and for each record, `checkpoints/DIGEST`. */
export class OldFiles {
  readonly #base: string;
  readonly #hasBlobs: boolean;

  constructor(base: string) {
    this.#base = base;
    this.#hasBlobs = existsSync(join(base, "00"));
  }

  /** A file whose writer has ended. */
  clearTemporary(): void {
    rmSync(join(this.#base, "temporary"), { recursive: true, force: true });
  }

  /** @param onDamage called for each unreadable record */
  records(onDamage: (text: string) => void): Map<string, JsonValue> {
    const records = new Map<string, JsonValue>();
    for (const name of namesIn(join(this.#base, "checkpoints"))) {
      const path = join(this.#base, "checkpoints", name);
      try {
        const { key, value } = fields(parseJson(readFileSync(path)), { key: "string", value: "json" });
        records.set(key, value);
      } catch (error) {
        if (!isErrno(error, "EIO") && !isErrno(error, "EPROTO")) throw error;
        onDamage(`${path} is damaged`);
      }
    }
    return records;
  }

  load(ref: string): Buffer | undefined {
    if (!this.#hasBlobs) return undefined;
    try {
      return readFileSync(this.#path(ref));
    } catch (error) {
      if (isErrno(error, "ENOENT")) return undefined;
      throw error;
    }
  }

  /** A good copy is elsewhere now, or the blob is not needed. */
  remove(ref: string): void {
    rmSync(this.#path(ref), { force: true });
  }

  /** All blobs with their sizes, a directory at a time. */
  *directories(): Generator<readonly { readonly ref: string; readonly bytes: number }[]> {
    if (!this.#hasBlobs) return;
    for (const directory of namesIn(this.#base).filter((name) => /^[0-9a-f]{2}$/.test(name))) {
      yield namesIn(join(this.#base, directory))
        .filter((name) => /^[0-9a-f]{62}$/.test(name))
        .map((name) => {
          const bytes = statSync(join(this.#base, directory, name)).size;
          return { ref: `sha256-${directory}${name}`, bytes };
        });
    }
  }

  #path(ref: string): string {
    const digest = ref.slice(ref.indexOf("-") + 1);
    return join(this.#base, digest.slice(0, 2), digest.slice(2));
  }
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  }
}
