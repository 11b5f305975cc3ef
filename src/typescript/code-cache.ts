import { readdirSync, readFileSync } from "node:fs";
import { lstat, mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { createRequire } from "node:module";
import { digestOf, isOursAlone, replaceFile, SealedFiles } from "../caches/index.js";
import { ERRNO, isErrno, SluiceError } from "../errors/index.js";

/**
 * Generated code on disk, by its source: in the directory of an instance, which its ranks share, and in that of the
 * user, which stays. Other users cannot write to either of them.
 */
export class CodeCache {
  readonly #directory: string | undefined;
  readonly #userCode: SealedFiles | undefined;

  private constructor(directory: string | undefined, userCode: SealedFiles | undefined) {
    this.#directory = directory;
    this.#userCode = userCode;
  }

  /** Keeps nothing, because each build makes the code of the package. */
  static none(): CodeCache {
    return new CodeCache(undefined, undefined);
  }

  /**
   * @param directory the directory of the instance, made with mode 0700 if it is missing; undefined: only the user's
   *   cache keeps the code
   * @throws SluiceError `LOAD_FAILED` with `EPERM` if other users have access to it, because Sluice runs its code
   */
  static async open(directory: string | undefined): Promise<CodeCache> {
    const userCode = SealedFiles.ofUser(process.env, "typescript");
    if (directory === undefined) return new CodeCache(undefined, userCode);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    if (!isOursAlone(await lstat(directory))) {
      throw new SluiceError(
        "LOAD_FAILED",
        `code cache ${directory} must belong to this user and be closed to others; remove the cache, or run 'chmod 700 ${directory}'`,
        { errnum: ERRNO.EPERM },
      );
    }
    return new CodeCache(directory, userCode);
  }

  read(origin: string): string | undefined {
    const file = this.#fileOf(origin);
    const shared = file && ifThere(() => readFileSync(file, "utf8"));
    if (shared !== undefined) return shared;
    const kept = this.#userCode?.read(userName(origin))?.toString();
    if (kept !== undefined) this.#share(origin, kept);
    return kept;
  }

  /** Written as a whole, because another broker may read it at the same moment. */
  write(origin: string, code: string): void {
    this.#share(origin, code);
    this.#userCode?.write(userName(origin), Buffer.from(code));
  }

  #share(origin: string, code: string): void {
    const file = this.#fileOf(origin);
    // The instance may have removed the directory at its end, and then needs no code either.
    if (file !== undefined) ifThere(() => replaceFile(file, [Buffer.from(code)]));
  }

  #fileOf(origin: string): string | undefined {
    return this.#directory && join(this.#directory, `${digestOf([origin]).toString("hex")}.cjs`);
  }
}

/** Another version of the compiler may make other code from the same source. */
function userName(origin: string): string {
  const { version } = createRequire(import.meta.url)("jiti/package.json") as { readonly version: string };
  return `${digestOf([version, "\0", origin]).toString("hex")}.cjs`;
}

/**
 * Code that came with the package and was made at its build. It is as safe as the other files of the package. Its
 * name and its source identify a file: an edited file has other code.
 */
export class ShippedCode {
  readonly #directory: string;

  /** @param directory may be missing */
  constructor(directory: string) {
    this.#directory = directory;
  }

  async read(path: string, source: string): Promise<string | undefined> {
    const kept = await readIfThere(join(this.#directory, basename(path)));
    const head = `${source}\0`;
    return kept?.startsWith(head) ? kept.slice(head.length) : undefined;
  }

  /** Whether a file, and each of its neighbours, is unchanged since it came with the package. */
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
      // An unreadable file did not come with the package. Its import reports the reason.
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
