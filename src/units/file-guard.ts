import { lstatSync, readlinkSync, type Stats } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Diagnostic, ERRNO, type Related, SluiceError } from "../errors/index.js";
import { problemAt } from "./formats/document.js";
import { wholeFile } from "./source.js";

/**
 * Checks whether other users could have written a file, before Sluice reads or runs it
 * (docs/design/instance.md §2).
 */
export interface FileGuard {
  /**
   * The problems of a file, or of a directory of files: `UNIT_INSECURE` for the path, each directory above it
   * and each link on it. Repeated calls return the same objects. A missing file has no problems.
   * @param path relative paths start at the working directory
   */
  check(path: string): readonly Diagnostic[];
}

/** The guard of `--insecure`, which accepts every file. */
export const INSECURE: FileGuard = { check: () => [] };

/** The number of links that Linux follows in one path. */
const LINK_LIMIT = 40;

/** Two directories up both from `src` and from `dist`, bundled or not. */
const PROGRAM_DIR = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/**
 * A guard with the rule of docs/design/instance.md §2. A file, and every directory above it, must belong to
 * root or to the user. No other user may write to it. No group may write to it, except the user's primary
 * group, or in sticky directories such as `/tmp`. For a link, the rule also applies to its target, and to the
 * directories above both. The guard caches its results. Use one guard for one command or one load.
 */
export function createFileGuard(): FileGuard {
  return new OwnerGuard();
}

/**
 * The check for files that Sluice loads rather than reads.
 * @throws SluiceError `UNIT_INSECURE` with `EPERM` and all problems of the file, one a line
 */
export function refuseInsecure(guard: FileGuard, path: string): void {
  refuse(path, guard.check(path));
}

/** The most problems that still help in one message. */
const SHOWN_PROBLEMS = 10;

/** @throws SluiceError `UNIT_INSECURE` with `EPERM`, one problem a line, if there is any */
export function refuse(path: string, problems: readonly Diagnostic[]): void {
  if (problems.length === 0) return;
  const lines = problems
    .slice(0, SHOWN_PROBLEMS)
    .map(({ location, message }) => `${location?.file ?? path}: ${message}`);
  const rest = problems.length - lines.length;
  if (rest > 0) lines.push(`and ${rest} more`);
  throw new SluiceError("UNIT_INSECURE", lines.join("\n"), { errnum: ERRNO.EPERM });
}

/** A file, directory or link that was checked. */
interface Entry {
  readonly problem: Diagnostic | undefined;
  /** The target of a link; undefined for other files. */
  readonly target: string | undefined;
}

/** The target of a path, and the links on the way. */
interface Way {
  /** The path without links; undefined if it leads nowhere. */
  readonly at: string | undefined;
  readonly problems: readonly Diagnostic[];
}

class OwnerGuard implements FileGuard {
  readonly #entries = new Map<string, Entry | undefined>();
  /** The results by directory, as it is written, because many files come from one directory. */
  readonly #ways = new Map<string, Way>();
  readonly #uid = process.geteuid?.() ?? 0;
  readonly #gid = process.getegid?.() ?? 0;
  readonly #trusted: ReadonlySet<number>;

  constructor() {
    // The owner of the program can change the program, and needs no unit file for that.
    this.#trusted = new Set([0, this.#uid, ...ownerOf(PROGRAM_DIR)]);
  }

  check(path: string): readonly Diagnostic[] {
    const slash = path.lastIndexOf("/");
    const name = path.slice(slash + 1);
    if (slash <= 0 || name === "" || name.startsWith(".")) return this.#follow(path, path).problems;
    const directory = path.slice(0, slash);
    let way = this.#ways.get(directory);
    if (way === undefined) {
      way = this.#follow(directory, path);
      this.#ways.set(directory, way);
    }
    if (way.at === undefined) return way.problems;
    const entry = this.#entry(`${way.at === "/" ? "" : way.at}/${name}`, path);
    if (entry?.target !== undefined) return this.#follow(path, path).problems;
    return entry?.problem === undefined ? way.problems : [...way.problems, entry.problem];
  }

  /**
   * Follows a path as the kernel does, one name after the other, so that it checks each link.
   * @param wanted the path that the caller needs in the end
   */
  #follow(path: string, wanted: string): Way {
    const problems = new Set<Diagnostic>();
    const look = (at: string): Entry | undefined => {
      const entry = this.#entry(at, wanted);
      if (entry?.problem !== undefined) problems.add(entry.problem);
      return entry;
    };
    const names = namesOf(isAbsolute(path) ? path : `${process.cwd()}/${path}`).reverse();
    let at = "/";
    let links = 0;
    look(at);
    for (let name = names.pop(); name !== undefined; name = names.pop()) {
      if (name === "..") {
        at = dirname(at);
        continue;
      }
      const next = join(at, name);
      const entry = look(next);
      if (entry === undefined) return { at: undefined, problems: [...problems] };
      if (entry.target === undefined) {
        at = next;
        continue;
      }
      links += 1;
      if (links > LINK_LIMIT) return { at: undefined, problems: [...problems] };
      if (isAbsolute(entry.target)) at = "/";
      for (const each of namesOf(entry.target).reverse()) names.push(each);
    }
    return { at, problems: [...problems] };
  }

  #entry(at: string, wanted: string): Entry | undefined {
    let entry = this.#entries.get(at);
    if (entry === undefined && !this.#entries.has(at)) {
      entry = this.#read(at, wanted);
      this.#entries.set(at, entry);
    }
    return entry;
  }

  #read(at: string, wanted: string): Entry | undefined {
    const stats = statsOf(at);
    if (stats === undefined) return undefined;
    const problem = isOfProgram(at) ? undefined : this.#judge(at, stats, wanted);
    return { problem, target: stats.isSymbolicLink() ? readlinkSync(at) : undefined };
  }

  #judge(at: string, stats: Stats, wanted: string): Diagnostic | undefined {
    const faults: string[] = [];
    const cures: string[] = [];
    const isLink = stats.isSymbolicLink();
    if (!this.#trusted.has(stats.uid)) {
      faults.push(`is owned by user ${stats.uid}, not by root or this user`);
      cures.push(`chown ${isLink ? "-h " : ""}${this.#uid} ${shellWord(at)}`);
    }
    const who = isLink ? "" : this.#writers(stats);
    if (who !== "") {
      faults.push(`may be written by ${WRITERS[who]}`);
      cures.push(`chmod ${who}-w ${shellWord(at)}`);
    }
    if (faults.length === 0) return undefined;
    const what = isLink ? "link " : stats.isDirectory() ? "directory " : "";
    const message = `${what}${faults.join(" and ")}; try: ${cures.join(" && ")}`;
    const related: Related[] =
      at === wanted ? [] : [{ message: `on the way to ${wanted}`, location: undefined }];
    return {
      ...problemAt("UNIT_INSECURE", message, wholeFile(at)),
      related,
      hint: "--insecure skips this check",
    };
  }

  /**
   * The users that can write to it although they must not. In a sticky directory no user can replace a file of
   * another user.
   */
  #writers(stats: Stats): keyof typeof WRITERS | "" {
    const { mode, gid } = stats;
    if (stats.isDirectory() && (mode & STICKY) !== 0) return "";
    // Reading a device does not return the data written to it.
    if (stats.isCharacterDevice()) return "";
    const byGroup = (mode & 0o020) !== 0 && gid !== this.#gid;
    const byOthers = (mode & 0o002) !== 0;
    if (byGroup) return byOthers ? "go" : "g";
    return byOthers ? "o" : "";
  }
}

const STICKY = 0o1000;

/** The keys are the letters of chmod. */
const WRITERS = { g: "its group", o: "others", go: "its group and other users" } as const;

/**
 * The files of the program itself, and the directories above them. A refusal of these files would protect
 * nothing, because a user who may write there can change the program.
 */
function isOfProgram(at: string): boolean {
  if (at === "/" || at === PROGRAM_DIR || PROGRAM_DIR.startsWith(`${at}/`)) return true;
  return ["etc", "dist"].some((name) => {
    const part = `${PROGRAM_DIR}/${name}`;
    return at === part || at.startsWith(`${part}/`);
  });
}

function ownerOf(path: string): number[] {
  const stats = statsOf(path);
  return stats === undefined ? [] : [stats.uid];
}

/** Undefined for a missing or unreadable file, which the later read reports. */
function statsOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    // Opening the file fails in the same way, and reports the error.
    return undefined;
  }
}

/** The names in a path, in order; names for the same directory are left out. */
function namesOf(path: string): string[] {
  return path.split("/").filter((name) => name !== "" && name !== ".");
}

/** A word in the quoting of a shell. */
function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
