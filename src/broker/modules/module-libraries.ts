import { ERRNO, requestError, SluiceError } from "../../errors/index.js";
import {
  type AskedPick,
  checkLibraries,
  digestOf,
  failuresText,
  failureText,
  type Kinds,
  type LibraryFailure,
  type LibraryReport,
  type ManifestModule,
  missingMethods,
  moduleOf,
  type OpenedLibrary,
  type Others,
  groupsOf,
} from "../../libraries/index.js";
import { DEFAULT_METHODS, type LogLevel } from "../../messages/index.js";
import type { FoundModule, ModuleFinder } from "./module-finder.js";

/** A module of a library that has been verified (docs/design/modules.md §6). */
export interface VerifiedMember {
  /** Absolute path of the library. */
  readonly path: string;
  readonly name: string;
  /** Digest of the file that was verified. */
  readonly digest: string;
  readonly manifest: ManifestModule;
  /** The thread group of all modules of its library, if they share state. */
  readonly sharedThread: string | undefined;
}

/** The dependencies for checks of a broker's libraries. */
export interface ModuleLibrariesOptions {
  readonly find: ModuleFinder;
  /** Version of Sluice. */
  readonly version: string;
  readonly cacheDir: string | undefined;
  readonly kinds: () => Kinds;
  readonly timeoutMs: () => number;
  readonly environment: () => Readonly<Record<string, string>>;
  readonly log: (level: LogLevel, text: string) => void;
}

/** A module that a plan is going to load. */
export type PlannedModule = Omit<AskedPick, "file" | "member"> & { readonly path: string };

/** Opens and verifies libraries for a broker, and refuses modules whose file differs from the verified one. */
export class ModuleLibraries {
  readonly #options: ModuleLibrariesOptions;
  /** Libraries as they were when last verified for a plan, by path. */
  readonly #opened = new Map<string, Extract<OpenedLibrary, { kind: "opened" }>>();

  constructor(options: ModuleLibrariesOptions) {
    this.#options = options;
  }

  /**
   * Opens and verifies the libraries of a plan together. Logs each failure when it finds it.
   * @param picks with their files and members
   */
  async verify(picks: readonly AskedPick[], others: Others): Promise<LibraryReport> {
    const report = await this.#check(picks, others);
    for (const library of report.libraries.values()) {
      if (library.kind === "opened") this.#opened.set(library.path, library);
    }
    return report;
  }

  /**
   * Verifies a module of a library before its start. A module that was verified for its plan must still have the
   * same digest.
   * @param asked the name and options of the load
   * @param digest the digest at the verification of its plan; undefined: verifies it now
   * @throws SluiceError `LOAD_LIBRARY` with every reason, one a line
   */
  async admit(
    { path, member: name }: FoundModule & { readonly member: string },
    asked: Omit<AskedPick, "file" | "member">,
    { digest, others }: { readonly digest: string | undefined; readonly others: Others },
  ): Promise<VerifiedMember> {
    const pick = { ...asked, file: path, member: name, optional: false };
    if (digest !== undefined) await confirmDigest(path, digest);
    const verified = this.#opened.get(path);
    const known = verified?.digest === digest ? verified : undefined;
    const report = known === undefined ? await this.#check([pick], others) : undefined;
    if (report !== undefined && report.failures.length > 0) throw refusal(report.failures);
    const library = known ?? report?.libraries.get(path);
    const manifest = library?.kind === "opened" ? moduleOf(library.manifest, name) : undefined;
    if (library?.kind !== "opened" || manifest === undefined) {
      throw requestError("EINVAL", `${path}#${name}: is not in the library`);
    }
    const [group = `library ${path}`] = groupsOf([{ ...pick, path }]);
    const sharedThread = library.manifest.shared === true ? group : undefined;
    return { path, name, digest: library.digest, manifest, sharedThread };
  }

  /**
   * The last phase, when a module runs: checks that its library is unchanged, and that it has the methods of its kind.
   * @param methods the methods that it has reported
   * @throws SluiceError `LOAD_LIBRARY`
   */
  async checkBinding(member: VerifiedMember, methods: readonly string[]): Promise<void> {
    const { path, name, digest, manifest } = member;
    await confirmDigest(path, digest);
    const kind = manifest.kind === undefined ? undefined : this.#options.kinds().get(manifest.kind);
    if (kind === undefined) return;
    const missing = missingMethods(kind, methods);
    if (missing.length === 0) return;
    const own = methods.filter((method) => !DEFAULT_METHODS.has(method));
    const has = own.length === 0 ? "the module has no own methods" : `it has ${own.join(", ")}`;
    const demand = `kind ${manifest.kind ?? ""} ${kind.version} demands the methods ${kind.methods.join(", ")}`;
    throw libraryRefusal(`${path}#${name}: lacks ${missing.join(", ")}; ${demand}, ${has}`);
  }

  #check(picks: readonly AskedPick[], others: Others): Promise<LibraryReport> {
    const { find, version, cacheDir, kinds, timeoutMs, environment, log } = this.#options;
    return checkLibraries(picks, {
      find: ({ file, exec, loader, insecure }) => find({ path: file, exec, loader, insecure }),
      ...{ version, cacheDir, others, kinds: kinds(), timeoutMs: timeoutMs(), env: environment() },
      onFailure: (failure) => log("err", failureText(failure)),
    });
  }
}

async function confirmDigest(path: string, verified: string): Promise<void> {
  const now = await digestOf(path);
  if (now === verified) return;
  throw libraryRefusal(
    `${path}: has changed since Sluice verified it: its digest was ${verified} and is ${now}`,
  );
}

function refusal(failures: readonly LibraryFailure[]): SluiceError {
  return libraryRefusal(failuresText(failures));
}

function libraryRefusal(message: string): SluiceError {
  return new SluiceError("LOAD_LIBRARY", message, { errnum: ERRNO.EINVAL });
}
