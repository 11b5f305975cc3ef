import { readdirSync, readFileSync } from "node:fs";
import { lstat, mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { isOursAlone, replaceFile } from "../caches/index.js";
import { ERRNO, isErrno, SluiceError } from "../errors/index.js";

/** Generated code on disk, by what it was made from. Only ever in a directory that no other user can write. */
export class CodeCache {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * @param directory made if it is missing, mode 0700
   * @throws SluiceError `LOAD_FAILED` with `EPERM` if it is not ours alone: what lies in it is run
   */
  static async open(directory: string): Promise<CodeCache> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    if (!isOursAlone(await lstat(directory))) {
      throw new SluiceError(
        "LOAD_FAILED",
        `${directory}: other users may access this cache of code, remove it or 'chmod 700' it`,
        { errnum: ERRNO.EPERM },
      );
    }
    return new CodeCache(directory);
  }

  async read(origin: string): Promise<string | undefined> {
    return readIfThere(this.#fileOf(origin));
  }

  /** {@link read}, for a caller that cannot wait. */
  readNow(origin: string): string | undefined {
    return ifThere(() => readFileSync(this.#fileOf(origin), "utf8"));
  }

  /** Whole or not at all, as another broker may read it at the same moment. */
  write(origin: string, code: string): void {
    // The directory may have gone with its instance: then the code is not needed either.
    ifThere(() => replaceFile(this.#fileOf(origin), [Buffer.from(code)]));
  }

  #fileOf(origin: string): string {
    // Not imported at the top: what finds its code elsewhere has no need of it, and it takes 3 ms.
    const digest = process.getBuiltinModule("node:crypto").createHash("sha256").update(origin).digest("hex");
    return join(this.#directory, `${digest}.cjs`);
  }
}

/**
 * Code that came with the package, made when that was built, and trusted as much as the rest of it. A file is known by
 * its name and its source: an edited file has other code.
 */
export class ShippedCode {
  readonly #directory: string;

  /** @param directory need not be there */
  constructor(directory: string) {
    this.#directory = directory;
  }

  async read(path: string, source: string): Promise<string | undefined> {
    const kept = await readIfThere(join(this.#directory, basename(path)));
    const head = `${source}\0`;
    return kept?.startsWith(head) ? kept.slice(head.length) : undefined;
  }

  /** Whether a file, and each that came next to it, is as it came with the package. */
  knows(path: string): boolean {
    const names = readdirIfThere(this.#directory);
    return (
      names.includes(basename(path)) && names.every((name) => this.#isUnchanged(join(dirname(path), name)))
    );
  }

  /** Used by the build. */
  async write(path: string, source: string, code: string): Promise<void> {
    await mkdir(this.#directory, { recursive: true });
    await writeFile(join(this.#directory, basename(path)), `${source}\0${code}`);
  }

  #isUnchanged(path: string): boolean {
    try {
      const kept = readFileSync(join(this.#directory, basename(path)), "utf8");
      return kept.startsWith(`${readFileSync(path, "utf8")}\0`);
    } catch (error) {
      // A file that cannot be read did not come with the package; the import of it reports why.
      if (error instanceof Error && "code" in error) return false;
      throw error;
    }
  }
}

function readdirIfThere(path: string): string[] {
  return ifThere(() => readdirSync(path)) ?? [];
}

function ifThere<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}
