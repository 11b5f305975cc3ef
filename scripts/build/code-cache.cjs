/**
 * Where the launcher keeps V8's code of a bundle, in a directory of the user alone. The first use makes it.
 * The launcher never takes it for a bundle that has changed (ADR 5, docs/security.md). Whatever is wrong with
 * it costs time only: the bundle is then compiled as ever.
 */
const fs = require("node:fs");
const { basename, dirname, isAbsolute, join } = require("node:path");

/** Raised when the form of the files changes. */
const FORMAT = "2";
/** Code that was not made anew for so long is removed: the program it was made for may be gone. */
const KEPT_MS = 30 * 24 * 3600e3;
/** A file that was changed so shortly before may change again without another time. */
const SETTLED_MS = 100;
/** Of more files, those that were made first go: any word may be a command. */
const MOST_FILES = 64;

/** What a command line, a thread or a process makes of one bundle. */
class CodeCache {
  #bundle;
  #role;
  #source;
  #key;
  #kept;
  #isSettled;

  /**
   * @param {string} bundle path of the file
   * @param {string} role what this process uses the bundle for. Each has a file of its own, with the functions that
   *   it uses: V8 makes them all ready at the start
   */
  constructor(bundle, role) {
    this.#bundle = bundle;
    this.#role = role;
    const descriptor = fs.openSync(bundle, "r");
    try {
      const stats = fs.fstatSync(descriptor, { bigint: true });
      this.#key = keyOf(bundle, stats);
      this.#isSettled = Date.now() - Number(stats.ctimeMs) > SETTLED_MS;
      // Bundles are plain ASCII, and this reads that fastest.
      this.#source = fs.readFileSync(descriptor, "latin1");
    } finally {
      fs.closeSync(descriptor);
    }
    this.#kept = attempt(() => this.#read());
  }

  get source() {
    return this.#source;
  }

  /** V8's code, if there is some for just this file. */
  get code() {
    return this.#kept?.code;
  }

  /**
   * Whether V8 has taken the code that was kept. Nothing is to be written then, and nothing in here is of use any more.
   * @param {import("node:vm").Script} script made of the source and the code
   */
  wasUsed(script) {
    return this.#kept !== undefined && script.cachedDataRejected !== true;
  }

  /**
   * Keeps what was compiled by a process or thread that has used the bundle.
   * @param {() => Uint8Array} compiled gives it
   * @param {boolean} isRefused whether V8 has refused what is kept
   */
  write(compiled, isRefused = false) {
    attempt(() => {
      // Another process may have written it meanwhile.
      if (!isRefused && attempt(() => this.#read()) !== undefined) return;
      if (!this.#isSettled || !this.#isUnchanged()) return;
      const file = this.#file();
      makeDirectory(dirname(file));
      if (!isOursAlone(dirname(file))) return;
      writeWhole(file, { key: this.#key }, compiled());
      sweep(dirname(file));
    });
  }

  #isUnchanged() {
    const stats = fs.statSync(this.#bundle, { bigint: true });
    return (
      keyOf(this.#bundle, stats) === this.#key && fs.readFileSync(this.#bundle, "latin1") === this.#source
    );
  }

  /** One for each program, role and way to run Node, however often the program is built anew. */
  #file() {
    const name = basename(this.#bundle).split(".")[0];
    return join(
      cacheDirectory(),
      `${name}-${hash([this.#bundle, this.#role, ...runtime()].join("\0"))}.code`,
    );
  }

  /** @returns {{ code: Buffer } | undefined} */
  #read() {
    const file = this.#file();
    if (!isOursAlone(dirname(file))) return undefined;
    const kept = fs.readFileSync(file);
    const end = kept.indexOf("\n");
    const { key, bytes } = JSON.parse(kept.toString("utf8", 0, end));
    const code = kept.subarray(end + 1);
    return key === this.#key && bytes === code.length ? { code } : undefined;
  }
}

/** V8 compares the lengths of sources only, so that all that tells one file from another is in here. */
function keyOf(bundle, { dev, ino, size, mtimeNs, ctimeNs }) {
  return [FORMAT, bundle, dev, ino, size, mtimeNs, ctimeNs, ...runtime()].join("\0");
}

/** Code for other flags is refused by V8. */
function runtime() {
  const flags = process.execArgv.filter((flag) => !flag.startsWith("--inspect"));
  return [process.version, process.arch, process.env.NODE_OPTIONS ?? "", ...flags];
}

/** FNV-1a, as the digests of Node take 3 ms to load. The key in the file decides; this only names it. */
function hash(text) {
  let value = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(text)) value = BigInt.asUintN(64, (value ^ BigInt(byte)) * 0x100000001b3n);
  return value.toString(16).padStart(16, "0");
}

/** @throws if the user has no home */
function cacheDirectory() {
  const { XDG_CACHE_HOME = "", HOME = "" } = process.env;
  const base = isAbsolute(XDG_CACHE_HOME) ? XDG_CACHE_HOME : join(HOME, ".cache");
  if (!isAbsolute(base)) throw new Error("no home");
  return join(base, "sluice", "code");
}

/** Three levels at most, and below a directory of this user only: nothing of root comes into the home of another. */
function makeDirectory(directory) {
  const missing = [];
  let at = directory;
  while (missing.length < 3 && !fs.existsSync(at)) {
    missing.unshift(at);
    at = dirname(at);
  }
  if (missing.length > 0 && fs.statSync(at).uid !== process.geteuid()) throw new Error(`${at} is another's`);
  for (const each of missing) {
    try {
      fs.mkdirSync(each, { mode: 0o700 });
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
  }
}

/**
 * Whether no other user can write there, or turn the path to another place (the rule of docs/security.md). The
 * directory itself is this user's and closed to all others.
 */
function isOursAlone(directory) {
  const real = fs.realpathSync.native(directory);
  const own = fs.lstatSync(real);
  const uid = process.geteuid();
  if (own.uid !== uid || (own.mode & 0o077) !== 0) return false;
  for (let at = dirname(real); ; at = dirname(at)) {
    const { uid: owner, gid, mode } = fs.lstatSync(at);
    const isSticky = (mode & 0o1000) !== 0;
    const writers = gid === process.getegid() ? 0o002 : 0o022;
    if ((owner !== 0 && owner !== uid) || (!isSticky && (mode & writers) !== 0)) return false;
    if (at === "/") return true;
  }
}

/** Drafts of processes that were killed go the same way. */
function sweep(directory) {
  const oldest = Date.now() - KEPT_MS;
  const files = fs.readdirSync(directory).map((name) => join(directory, name));
  const made = new Map(
    files.map((file) => [file, fs.lstatSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0]),
  );
  files.sort((a, b) => made.get(b) - made.get(a));
  for (const [place, file] of files.entries()) {
    if (place >= MOST_FILES || made.get(file) < oldest) fs.rmSync(file, { force: true });
  }
}

/** On the disk before it has its name: V8 trusts what it is given, and a power cut must not leave half of it. */
function writeWhole(file, head, code) {
  const { threadId } = require("node:worker_threads");
  const draft = `${file}.${process.pid}-${threadId}`;
  try {
    const descriptor = fs.openSync(draft, "wx", 0o600);
    try {
      fs.writeFileSync(descriptor, `${JSON.stringify({ ...head, bytes: code.length })}\n`);
      fs.writeFileSync(descriptor, code);
      fs.fsyncSync(descriptor);
    } finally {
      fs.closeSync(descriptor);
    }
    fs.renameSync(draft, file);
  } catch (error) {
    fs.rmSync(draft, { force: true });
    throw error;
  }
}

/** A cache that is missing, damaged, full or on a disk that cannot be written is no fault of the command. */
function attempt(action) {
  try {
    return action();
  } catch {
    return undefined;
  }
}

module.exports = { CodeCache };
