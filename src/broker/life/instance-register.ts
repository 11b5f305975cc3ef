import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { randomBytes } from "node:crypto";
import { dirname, join } from "node:path";
import { errnumOf, SluiceError } from "../../errors/index.js";
import { type Fields, fields } from "../../messages/fields.js";
import type { JsonValue } from "../../messages/types.js";
import { type Mark, markOf, signalProcess } from "../../processes/index.js";
import { type Env, RUNDIR_PREFIX, runtimeDirectories, runtimeDirectory } from "../runtime-directory.js";

/** An entry of the register: an instance of this user. */
export interface RegisteredInstance {
  readonly id: string;
  /** Its name for users: the name of its first file, else its name over hosts, else its id. */
  readonly name: string;
  /** The process that runs it: `sluice start`, or a broker that was started by itself. */
  readonly pid: number;
  readonly uri: string;
  readonly rundir: string;
  readonly size: number;
  /** The rank of the broker that answers at the URI. */
  readonly rank: number;
  /** Seconds since 1970. */
  readonly startTime: number;
  /** The real paths of the files that it consists of; none for an instance of shipped and site units. */
  readonly files: readonly string[];
}

/** An instance, and the mark of all its processes. */
export type MarkedInstance = RegisteredInstance & { readonly mark: Mark };

/** An entry of the register, with a function that removes it. */
export interface Registration {
  remove(): void;
}

const ENTRY = {
  id: "string",
  name: "string",
  pid: "integer",
  uri: "string",
  rundir: "string",
  size: "integer",
  rank: "integer",
  startTime: "number",
  files: "string[]",
  mark: "string?",
} as const;

/** The file of an entry in a run directory. */
const ENTRY_FILE = "instance.json";

/** The prefix of the link to a run directory elsewhere. */
const LINK_PREFIX = `${RUNDIR_PREFIX}at-`;

/**
 * Adds an instance to the register, for the other commands of this user. The entry lies in the run directory, so that
 * a removal of the directory also removes the entry. A run directory elsewhere gets a link in the usual directory.
 */
export function registerInstance(instance: RegisteredInstance, env: Env): Registration {
  const { rundir, pid } = instance;
  const entry = join(rundir, ENTRY_FILE);
  const written = join(rundir, `.${ENTRY_FILE}-${process.pid}`);
  writeFileSync(written, JSON.stringify({ ...instance, mark: markOf(pid)?.text }), { mode: 0o600 });
  // The rename ensures that no reader finds half of the entry.
  renameSync(written, entry);
  const link = isFound(rundir, env) ? undefined : linkTo(rundir, env);
  return {
    remove: () => {
      rmSync(entry, { force: true });
      if (link !== undefined) rmSync(link, { force: true });
    },
  };
}

/** The running instances of this user, in the order in which they were started. */
export function runningInstances(env: Env): RegisteredInstance[] {
  return entriesIn(env).filter(isRunning).map(withoutMark);
}

/** The same, with the marks of their processes. It leaves out instances of systems without `/proc`. */
export function markedInstances(env: Env): MarkedInstance[] {
  return entriesIn(env).filter(isRunning).flatMap(withMark);
}

/**
 * Instances that were killed. Their entries are still in the register. Their programs may still be ending.
 */
export function killedInstances(env: Env): MarkedInstance[] {
  return entriesIn(env).flatMap(withMark).filter(isKilled);
}

type Entry = Fields<typeof ENTRY>;

function withoutMark({
  id,
  name,
  pid,
  uri,
  rundir,
  size,
  rank,
  startTime,
  files,
}: Entry): RegisteredInstance {
  return { id, name, pid, uri, rundir, size, rank, startTime, files };
}

function withMark({ mark, ...instance }: Entry): MarkedInstance[] {
  return mark === undefined ? [] : [{ ...instance, mark: { text: mark } }];
}

function entriesIn(env: Env): Entry[] {
  const seen = new Map<string, Entry>();
  for (const directory of runtimeDirectories(env)) {
    for (const name of namesIn(directory)) {
      const entry = name.startsWith(RUNDIR_PREFIX) ? readEntry(join(directory, name)) : undefined;
      if (entry !== undefined) seen.set(entry.rundir, entry);
    }
  }
  return [...seen.values()].sort((a, b) => a.startTime - b.startTime || a.pid - b.pid);
}

/** @returns undefined where this user has no entry */
function readEntry(place: string): Entry | undefined {
  try {
    if (!isOurs(place)) return undefined;
    const entry = JSON.parse(readFileSync(join(place, ENTRY_FILE), "utf8")) as JsonValue;
    return fields(entry, ENTRY);
  } catch (error) {
    // The entry of another user, of an instance that has just ended, or of another version.
    if (errnumOf(error) === undefined && !(error instanceof SyntaxError || error instanceof SluiceError))
      throw error;
    return undefined;
  }
}

/** A link belongs to its maker, and may only lead to a directory where no other user may write. */
function isOurs(place: string): boolean {
  const uid = process.getuid?.();
  const link = lstatSync(place);
  const directory = link.isSymbolicLink() ? statSync(place) : link;
  const isPrivate = directory.isDirectory() && (directory.mode & 0o022) === 0;
  return isPrivate && (uid === undefined || (link.uid === uid && directory.uid === uid));
}

function isRunning({ pid, mark }: Entry): boolean {
  const now = markOf(pid)?.text;
  if (mark !== undefined && now !== undefined) return now === mark;
  // Without /proc, a signal is the only way to check that a process is alive.
  return mark === undefined && signalProcess(pid, 0) === "sent";
}

/** This process cannot check an instance in another namespace of process ids. */
function isKilled({ pid, mark }: MarkedInstance): boolean {
  const namespace = (text: string | undefined): string | undefined => text?.split(":")[0];
  return namespace(markOf(process.pid)?.text) === namespace(mark.text) && markOf(pid)?.text !== mark.text;
}

function isFound(rundir: string, env: Env): boolean {
  const isListed = runtimeDirectories(env).includes(dirname(rundir));
  return isListed && rundir.slice(dirname(rundir).length + 1).startsWith(RUNDIR_PREFIX);
}

/** @returns the link, or undefined where no link can be made: the instance is then found by its directory alone */
function linkTo(rundir: string, env: Env): string | undefined {
  const parent = runtimeDirectory(env);
  const links = namesIn(parent)
    .filter((name) => name.startsWith(LINK_PREFIX))
    .map((name) => join(parent, name));
  // Brokers that were killed have left their links: perhaps one to this directory, and those to directories that are gone.
  const known = links.find((link) => targetOf(link) === rundir);
  for (const link of links) if (link !== known) removeLeftOver(link);
  if (known !== undefined) return known;
  const link = join(parent, `${LINK_PREFIX}${randomBytes(6).toString("hex")}`);
  try {
    symlinkSync(rundir, link);
    return link;
  } catch (error) {
    if (errnumOf(error) === undefined) throw error;
    return undefined;
  }
}

/** Removes a link of this user that leads to no directory any more. */
function removeLeftOver(link: string): void {
  try {
    const target = targetOf(link);
    if (target === undefined || existsSync(target) || lstatSync(link).uid !== process.getuid?.()) return;
    rmSync(link, { force: true });
  } catch (error) {
    // Another broker has removed it first.
    if (errnumOf(error) === undefined) throw error;
  }
}

function targetOf(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch {
    // The path is no link, or has gone.
    return undefined;
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    // The directory is missing, or this user may not read it.
    return [];
  }
}
