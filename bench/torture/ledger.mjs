/**
 * What writers asked the store for and what it answered: the judge of what is found in it later.
 *
 * A key may hold the last put of it that got an answer. It may also hold one that was under way at that time
 * or since, and whose answer never came. An error leaves open what became of a put. Anything else is a loss.
 */

/** A put of one key. `version` is undefined until it is answered; `endedAtMs` is Infinity while it is under way. */
class Attempt {
  version;
  endedAtMs = Infinity;

  constructor({ writer, number, value, sentAtMs }) {
    this.writer = writer;
    this.number = number;
    /** Undefined: the key is unlinked. */
    this.value = value;
    this.sentAtMs = sentAtMs;
  }

  get title() {
    if (this.writer === undefined) return "nothing";
    const what = this.value === undefined ? "unlink" : "put";
    return `${what} ${this.number} of writer ${this.writer}`;
  }
}

export class Ledger {
  /** For each key the attempts whose value it may have. */
  #attempts = new Map();
  #views = [];
  /** For each version that was answered the put that has it. */
  #versions = new Map();
  #now;
  /** The highest version that the store has ever answered, to anyone. */
  version = 0;
  answered = 0;

  constructor(now = () => performance.now()) {
    this.#now = now;
  }

  get keys() {
    return [...this.#attempts.keys()];
  }

  /**
   * A commit is about to be sent.
   * @param values by key; undefined unlinks it
   * @returns what `answer` and `fail` take
   */
  begin({ writer, number, values }) {
    const sentAtMs = this.#now();
    const puts = Object.entries(values).map(([key, value]) => {
      const attempt = new Attempt({ writer, number, value, sentAtMs });
      const attempts = this.#attempts.get(key) ?? [unset()];
      attempts.push(attempt);
      this.#attempts.set(key, attempts);
      for (const view of this.#views) view.add(key, attempt);
      return { key, attempt };
    });
    return { puts, floor: this.version };
  }

  /**
   * A commit was answered.
   * @returns what is wrong with the answer, or undefined
   */
  answer({ puts, floor }, version) {
    const endedAtMs = this.#now();
    this.answered++;
    for (const { key, attempt } of puts) {
      attempt.version = version;
      attempt.endedAtMs = endedAtMs;
      this.#attempts.set(key, possible(this.#attempts.get(key)));
    }
    const { title } = puts[0].attempt;
    const other = this.#versions.get(version);
    this.#versions.set(version, title);
    this.version = Math.max(this.version, version);
    if (other !== undefined) return `version ${version} was answered twice: for ${other} and for ${title}`;
    if (version <= floor) return `${title} was answered version ${version}, after version ${floor}`;
    return undefined;
  }

  /**
   * A commit ended with an error, or the connection did: it may be in the store or not.
   * @param lingersMs it may still be on its way for so long, as the connection was lost and not the request
   */
  fail({ puts }, lingersMs = 0) {
    const endedAtMs = this.#now() + lingersMs;
    for (const { attempt } of puts) attempt.endedAtMs = endedAtMs;
  }

  /** The last answered put of a key, for a reader to begin with. */
  latest(key) {
    return latestOf(this.#attempts.get(key) ?? [unset()]);
  }

  /**
   * The store reports this version.
   * @returns what is wrong with that, or undefined
   */
  sawVersion(version) {
    if (version < this.version) return `version ${version}, after version ${this.version} was answered`;
    this.version = version;
    return undefined;
  }

  /** What is at the key now is what counts from now on: it has been read, and all puts have ended. */
  settle(key, value) {
    const found = this.#attempts.get(key).find((attempt) => isSame(attempt.value, value));
    found.version ??= this.version;
    this.#attempts.set(key, [found]);
  }

  /** The present values of all keys, when all is settled: what a dump of that moment has to bring back. */
  copy() {
    return new Map([...this.#attempts].map(([key, attempts]) => [key, [latestOf(attempts)]]));
  }

  /** The store was set back to such a copy, by a restore. Keys that it does not have are unset. */
  setBack(copy) {
    for (const key of this.#attempts.keys()) this.#attempts.set(key, copy.get(key) ?? [unset()]);
  }

  /** What keys may have in a picture of the store that is taken from now on, at any time until it is judged. */
  view() {
    const view = new View(new Map([...this.#attempts].map(([key, attempts]) => [key, possible(attempts)])));
    this.#views.push(view);
    return view;
  }

  /**
   * Judges the value that a key has while no put is under way.
   * @param value undefined: it has none
   * @returns what is wrong: `{ kind: "loss" | "torn", key, answered, found }`, or undefined
   */
  judge(key, value) {
    return judge(key, value, possible(this.#attempts.get(key) ?? [unset()]));
  }
}

/** As the ledger was at one time, and what was tried since. */
class View {
  #attempts;

  constructor(attempts) {
    this.#attempts = attempts;
  }

  add(key, attempt) {
    this.#attempts.set(key, [...(this.#attempts.get(key) ?? [unset()]), attempt]);
  }

  /** As that of the ledger. */
  judge(key, value) {
    return judge(key, value, this.#attempts.get(key) ?? [unset()]);
  }
}

function judge(key, value, attempts) {
  if (attempts.some((attempt) => isSame(attempt.value, value))) return undefined;
  return {
    kind: isWhole(value) ? "loss" : "torn",
    key,
    answered: accountOf(latestOf(attempts)),
    found: value === undefined ? "no such key" : describeValue(value),
  };
}

/** What every key is before its first put. */
function unset() {
  const attempt = new Attempt({ writer: undefined, number: 0, value: undefined, sentAtMs: -Infinity });
  attempt.version = 0;
  return attempt;
}

function latestOf(attempts) {
  return attempts.reduce((latest, attempt) =>
    (attempt.version ?? -1) > (latest.version ?? -1) ? attempt : latest,
  );
}

/** Those whose value a key may have now: what was replaced by something that was answered is left out. */
function possible(attempts) {
  const latest = latestOf(attempts);
  return attempts.filter(
    (attempt) =>
      attempt === latest || (attempt.version === undefined && attempt.endedAtMs >= latest.sentAtMs),
  );
}

function isSame(one, other) {
  return one === other || JSON.stringify(one) === JSON.stringify(other);
}

function accountOf(attempt) {
  return {
    what: attempt.title,
    version: attempt.version,
    sentAtMs: attempt.sentAtMs,
    answeredAtMs: attempt.endedAtMs,
  };
}

const FILLER_LENGTH = 16;

/** The value of a put; from its writer, number and size alone, so that one that is torn shows. */
export function valueOf(writer, number, sizeBytes) {
  const filler = `${writer}:${number};`.padEnd(FILLER_LENGTH, "-");
  return { writer, number, text: filler.repeat(Math.ceil(sizeBytes / FILLER_LENGTH)) };
}

/** Whether a value is one that `valueOf` makes. */
export function isWhole(value) {
  if (value === undefined) return true;
  if (typeof value !== "object" || value === null || typeof value.text !== "string") return false;
  return isSame(value, valueOf(value.writer, value.number, value.text.length));
}

export function describeValue(value) {
  if (isWhole(value)) return `put ${value.number} of writer ${value.writer}`;
  const text = JSON.stringify(value) ?? "nothing";
  return `no value of any writer: ${text.length > 200 ? `${text.slice(0, 200)}…` : text}`;
}
