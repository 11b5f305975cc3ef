import { statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { digestOf, SealedFiles } from "../../caches/index.js";
import type { Env } from "../search-path.js";
import type { Fragment } from "../fragment.js";
import type { Source } from "../source.js";
import { packFragment } from "./pack-fragment.js";
import { type Packed, PACKED_FORMAT } from "./packed.js";
import { unpackFragment } from "./unpack-fragment.js";

/** The limit for all files of a cache in a directory of an instance. */
const LIMIT_BYTES = 64 * 2 ** 20;

/** A file that was read, and the options that decide the meaning of its text. */
export interface ReadFile {
  readonly file: string;
  readonly bytes: Uint8Array;
  /** Its format and the kind of document. */
  readonly meaning: readonly string[];
}

/**
 * A cache of parsed unit files (ADR 24). The cache has fragments, never a plan. Sluice still reads every file
 * each time. The digest of a file identifies its entry.
 */
export class FragmentCache {
  readonly #files: SealedFiles;

  private constructor(files: SealedFiles) {
    this.#files = files;
  }

  /**
   * The cache of the user: `$XDG_CACHE_HOME/sluice/catalogs`, or below `~/.cache`.
   * @returns undefined for a user without a home directory
   */
  static ofUser(env: Env): FragmentCache | undefined {
    const files = SealedFiles.ofUser(env, "catalogs");
    return files && new FragmentCache(files);
  }

  /**
   * A cache in a directory, which the first entry creates with mode 0700.
   */
  static in(directory: string): FragmentCache {
    return new FragmentCache(new SealedFiles({ directory, levels: 1, limit: LIMIT_BYTES }));
  }

  /** The place of a file's entry; undefined during an update of Sluice, or after its removal. */
  look(read: ReadFile): KeptFragment | undefined {
    const build = buildState();
    return build === undefined ? undefined : new KeptFragment(this.#files, nameOf(read, build));
  }
}

/** The place of one file in a {@link FragmentCache}. */
export class KeptFragment {
  readonly #files: SealedFiles;
  readonly #name: string;

  constructor(files: SealedFiles, name: string) {
    this.#files = files;
    this.#name = name;
  }

  /** @returns undefined without an entry, or with an invalid one */
  read(source: Source): Fragment | undefined {
    const content = this.#files.read(this.#name);
    if (content === undefined) return undefined;
    try {
      // The digest proves that this program wrote the entry.
      return unpackFragment(v8().deserialize(content) as Packed, source);
    } catch {
      return undefined;
    }
  }

  /** @param fragment a valid fragment, all of whose parts come from the file */
  write(fragment: Fragment): void {
    const packed = packFragment(fragment);
    if (packed === undefined) return;
    this.#files.write(this.#name, v8().serialize(packed));
  }
}

function nameOf({ file, bytes, meaning }: ReadFile, build: string): string {
  // Relative paths in the file start at this directory.
  const directory = dirname(resolve(file));
  const what = JSON.stringify([PACKED_FORMAT, build, process.version, directory, ...meaning]);
  return `${digestOf([Buffer.from(`${what}\n`), bytes]).toString("hex")}.catalog`;
}

/**
 * This import, like that of the digests, is not at the top. Both take milliseconds. Few commands need them.
 */
function v8() {
  return process.getBuiltinModule("node:v8");
}

let state: string | undefined;

/** Identifies the build of the program, because another build may read the same text in another way. */
function buildState(): string | undefined {
  if (state !== undefined) return state;
  const stats = statSync(fileURLToPath(import.meta.url), { bigint: true, throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  const { dev, ino, size, mtimeNs, ctimeNs } = stats;
  return (state = [dev, ino, size, mtimeNs, ctimeNs].join("-"));
}
