import { randomUUID } from "node:crypto";
import { lstat, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ERRNO, isErrno, SluiceError } from "../errors/index.js";

/** Generated code on disk, by digest of what it was made from. Only ever in a directory that nobody else can write. */
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
    const { uid, mode } = await lstat(directory);
    if (uid !== process.getuid?.() || (mode & 0o077) !== 0) {
      throw new SluiceError(
        "LOAD_FAILED",
        `${directory}: others may reach this cache of code, remove it or 'chmod 700' it`,
        { errnum: ERRNO.EPERM },
      );
    }
    return new CodeCache(directory);
  }

  async read(digest: string): Promise<string | undefined> {
    try {
      return await readFile(this.#fileOf(digest), "utf8");
    } catch (error) {
      if (isErrno(error, "ENOENT")) return undefined;
      throw error;
    }
  }

  /** Whole or not at all, as another broker may read it at the same moment. */
  async write(digest: string, code: string): Promise<void> {
    const draft = join(this.#directory, `.${randomUUID()}`);
    await writeFile(draft, code, { mode: 0o600 });
    await rename(draft, this.#fileOf(digest));
  }

  #fileOf(digest: string): string {
    return join(this.#directory, `${digest}.cjs`);
  }
}
