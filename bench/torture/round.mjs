/** One round: a new state directory, and lives of an instance on it, each ended or troubled by a fault. */
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { auditDump, auditStore } from "./audit.mjs";
import { FAULTS } from "./faults/index.mjs";
import { Instance, Misbehaviour } from "./instance.mjs";
import { Ledger } from "./ledger.mjs";
import { Random } from "./random.mjs";
import { WRITERS, Writers } from "./writers.mjs";

/** Longest values; on a small disk they are short. */
/** The shipped providers; those that a round does not use must not be picked. */
const SHIPPED = ["content-sqlite", "content-files", "content-nats"];

const MAX_BYTES = 65_536;
const MAX_BYTES_ON_SMALL_DISK = 300;

/** How long writes to a store that is away wait. */
const CONTENT_WAIT = "3s";

/** Nothing keeps writers from being answered for so long. */
const ANSWER_TIMEOUT_MS = 120_000;

/** Attributes by which collection never ends, and meets old values again and again. */
const CONSTANT_COLLECTION = {
  "kvs.history": "1",
  "kvs.checkpoint-period": "100ms",
  "kvs.checkpoints": "1",
  "content.collect-period": "100ms",
};

export class Round {
  plan;
  ledger;
  provider;
  dir;
  /** Where its state directories are; a new one for each provider that it moves to. */
  storesDir;
  instance;
  /** The start options that faults need: further variables, and a command line that runs the instance. */
  environment = {};
  prefix;
  /** The steps and their times: the account of a failure. */
  history = [];
  refused = {};
  #writers;
  #stores = 1;
  #numbers = Array.from({ length: WRITERS }, () => 0);
  #random;
  #signal;
  #totals;
  #violations = [];
  #startedAtMs = performance.now();
  #lives = 0;
  #step = 0;
  #counted = 0;

  /**
   * @param options `plan`, `seed`, `root`: a directory to make its own in, `totals` that it adds to. `units`:
   *   a directory of units for the instance, `nats`: servers for content-nats, `boots` of a round of them, `signal` that ends it
   */
  constructor({ plan, seed, root, totals, units, nats, boots, signal }) {
    this.plan = plan;
    this.boots = boots;
    this.provider = plan.provider;
    this.dir = mkdtempSync(join(root, `round-${plan.number}-`));
    this.storesDir = join(this.dir, "stores");
    mkdirSync(this.storesDir, { mode: 0o700 });
    this.units = units;
    this.nats = nats;
    this.ledger = new Ledger(() => this.#elapsedMs());
    this.#random = (name) => new Random(`${seed}/round ${plan.number}/${name}`);
    this.#totals = totals;
    this.#signal = signal;
  }

  /** @returns what must not be and was: `{ kind, text, key? }` each */
  async run() {
    const resources = [];
    try {
      const faults = [...new Set(this.plan.steps.map(({ sort }) => sort))].map((sort) => FAULTS[sort]);
      // Where the stores are comes first: the others look there.
      faults.sort((a, b) => Number(b.movesStores ?? false) - Number(a.movesStores ?? false));
      for (const fault of faults) resources.push(await fault.prepare?.(this));
      await this.#live();
    } catch (error) {
      if (this.#signal.aborted) return [];
      if (!(error instanceof Misbehaviour)) throw error;
      if (error.kind !== "told") this.report({ kind: error.kind, text: error.message });
    } finally {
      await this.instance?.destroy();
      await this.#writers?.stop();
      for (const resource of resources.reverse()) await resource?.dispose();
    }
    return this.#violations;
  }

  async #live() {
    const [{ sort }] = this.plan.steps;
    if (FAULTS[sort].isAlone) await FAULTS[sort].inject(this);
    else await this.#liveWithWriters();
  }

  async #liveWithWriters() {
    await this.begin();
    for (const [index, { sort, puts }] of this.plan.steps.entries()) {
      this.#step = index + 1;
      await this.answered(puts);
      const { ended } = await FAULTS[sort].inject(this, this.random(`step ${index + 1}`));
      if (ended) await this.begin();
      else await this.check();
    }
    await this.answered(10);
    await this.finish();
    await this.begin({ write: false });
    await this.finish();
  }

  /** Starts the next life, looks at what is there, and lets writers loose. */
  async begin({ write = true, audit = true } = {}) {
    this.launch();
    await this.instance.up();
    if (audit) await this.#audit();
    if (write) this.startWriters();
  }

  /** Starts an instance, and waits for nothing. */
  launch() {
    this.#lives++;
    const runtimeDir = join(this.dir, `run-${this.#lives}`);
    mkdirSync(runtimeDir, { mode: 0o700 });
    this.launched(`start ${this.#lives}`);
    this.instance = new Instance({ ...this.#startOptions(this.stateDir), runtimeDir });
  }

  /** An instance is started now. */
  launched(what) {
    this.#signal.throwIfAborted();
    this.#totals.starts++;
    this.note(what);
  }

  get stateDir() {
    return join(this.storesDir, `state-${this.#stores}`);
  }

  /** The next life has this provider, and a new state directory. */
  moveTo(provider) {
    this.provider = provider;
    this.#stores++;
    this.note(`move to ${provider}`);
  }

  #startOptions(stateDir) {
    const { ranks, policy, needs, exec, providers } = this.plan;
    const attributes = {
      statedir: stateDir,
      "content.wait": CONTENT_WAIT,
      ...(policy === "nopanic" ? { "broker.module-nopanic": "1" } : {}),
      ...(this.nats === undefined ? {} : { "overlay.nats": this.nats }),
      ...(needs.collection ? CONSTANT_COLLECTION : {}),
    };
    const site = join(this.dir, "site");
    mkdirSync(join(site, "modprobe.d"), { recursive: true });
    const settings = [
      `${this.provider}.exec = ${exec}`,
      ...(policy === "nopanic" ? [] : [`${this.provider}.on-failure = "${policy}"`]),
    ];
    writeFileSync(join(site, "modprobe.d/zz-torture.toml"), `${settings.join("\n")}\n`);
    return {
      args: Object.entries(attributes).map(([name, value]) => `--setattr=${name}=${value}`),
      ranks,
      environment: {
        FLUX_MODPROBE_PATH_APPEND: [...(this.units === undefined ? [] : [this.units]), site].join(delimiter),
        FLUX_MODPROBE_DISABLE: [...new Set([...SHIPPED, ...providers])]
          .filter((name) => name !== this.provider)
          .join(","),
        ...this.environment,
      },
      prefix: this.prefix,
    };
  }

  /** Looks at the store of an instance that goes on, and lets writers loose again. */
  async check() {
    await this.stopWriters();
    await this.#audit();
    this.startWriters();
  }

  /** Ends the life cleanly. */
  async finish() {
    await this.stopWriters();
    this.note("end in order");
    this.instance.finish();
    await this.instance.endInOrder();
    this.#failIfToldOf();
  }

  /** Ends the life by `kill -9` of the broker or cleanly; its status is then unknown. */
  async endSomehow(random) {
    const pid = this.instance.findBroker(0);
    if (random.percent(50) && pid !== undefined) this.kill("broker", pid);
    else this.note("end in order");
    this.instance.finish();
    await this.ended();
  }

  /** Ends the life that a fault has ended already. @returns its `{ status, signal }` */
  async ended() {
    const outcome = await this.instance.end();
    await this.stopWriters();
    this.note(`ended with ${outcome.signal ?? `status ${outcome.status}`}`);
    return outcome;
  }

  /** Waits until writers have been answered so many times. @throws Misbehaviour if they are not */
  async answered(count) {
    const options = { timeoutMs: ANSWER_TIMEOUT_MS, signal: this.#signal };
    const done = await this.#writers.answered(count, options);
    this.#signal.throwIfAborted();
    this.#failIfToldOf();
    if (done) return;
    if (!this.instance.isRunning) {
      await this.ended();
      throw new Misbehaviour("end", `it ended by itself\n${this.instance.lastLines}`);
    }
    throw new Misbehaviour("hang", `no ${count} puts were answered within ${ANSWER_TIMEOUT_MS / 1000} s`);
  }

  /** Lets time pass, in which writers go on. */
  async pass(ms) {
    await sleep(ms, undefined, { signal: this.#signal });
  }

  /** Kills a process, and counts it. */
  kill(sort, pid) {
    this.note(`kill -9 of ${sort} (process ${pid})`);
    process.kill(pid, "SIGKILL");
    this.#totals.kills[sort] = (this.#totals.kills[sort] ?? 0) + 1;
  }

  count(what, times = 1) {
    this.#totals.faults[what] = (this.#totals.faults[what] ?? 0) + times;
  }

  note(text) {
    this.history.push({ atMs: this.#elapsedMs(), text });
  }

  report(violation) {
    this.#violations.push({ ...violation, step: this.#step, atMs: this.#elapsedMs() });
  }

  random(name) {
    return this.#random(name);
  }

  /** Restores a dump that was made since a view of the ledger into an instance of its own, and judges what is there. */
  async lookAtDump(file, view) {
    this.launched("look at the dump");
    const runtimeDir = mkdtempSync(join(this.dir, "run-dump-"));
    const instance = new Instance({
      ...this.#startOptions(join(this.dir, "stores-of-dumps", String(this.#totals.starts))),
      ranks: 1,
      runtimeDir,
    });
    try {
      await instance.up();
      await instance.commandDone("kvs", "restore", file);
      for (const violation of await auditDump(instance, this.ledger, view)) this.report(violation);
      instance.finish();
      await instance.endInOrder();
    } finally {
      await instance.destroy();
    }
    this.#failIfToldOf();
  }

  startWriters() {
    this.#writers = new Writers({
      instance: this.instance,
      ledger: this.ledger,
      random: (name) => this.random(`life ${this.#lives}/${name}`),
      numbers: this.#numbers,
      maxBytes: this.plan.needs.disk ? MAX_BYTES_ON_SMALL_DISK : MAX_BYTES,
      report: (violation) => this.report(violation),
    });
  }

  async stopWriters() {
    const writers = this.#writers;
    this.#writers = undefined;
    await writers?.stop();
    for (const [name, count] of Object.entries(writers?.refused ?? {}))
      this.refused[name] = (this.refused[name] ?? 0) + count;
    this.#totals.answered += this.ledger.answered - this.#counted;
    this.#counted = this.ledger.answered;
  }

  async #audit() {
    this.note("check");
    for (const violation of await auditStore(this.instance, this.ledger)) this.report(violation);
    this.#failIfToldOf();
  }

  #failIfToldOf() {
    // What comes after the first failure is a consequence of it.
    if (this.#violations.length > 0) throw new Misbehaviour("told", "");
  }

  #elapsedMs() {
    return performance.now() - this.#startedAtMs;
  }
}
