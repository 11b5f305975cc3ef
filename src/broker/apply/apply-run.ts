import { errnumOf, ERRNO, messageOf } from "../../errors/index.js";
import type { LogLevel } from "../../messages/index.js";
import type { Clock } from "../clock.js";
import type { LoadRequest, Trial } from "../modules/module-entry.js";
import { inOrder } from "../modules/take-down-order.js";
import type { ApplyModules } from "./apply-modules.js";
import type { ApplySteps, StartStep } from "./apply-steps.js";
import { chain, type Leftover, restricted, reversed, Undo } from "./apply-undo.js";
import { unitMessage } from "./unit-message.js";

/** The dependencies of an apply. */
export interface ApplyHost {
  readonly modules: ApplyModules;
  readonly clock: Clock;
  readonly log: (level: LogLevel, text: string) => void;
  /** Announces the services that will be loaded; undefined: the loads are complete. */
  readonly announce: (services: readonly string[] | undefined) => void;
  /** The last lines that a program wrote. */
  readonly lastLines: (unit: string) => readonly string[];
}

/** A step that has begun, ended or failed, in the form for the requester. */
export interface ApplyEvent {
  readonly type: "start" | "end" | "fail" | "back";
  readonly action: "remove" | "load" | "reload" | "restart" | "change";
  readonly unit: string;
  readonly message?: string;
}

/** A unit that failed, and its last lines. */
export interface ApplyFailure {
  readonly unit: string;
  readonly message: string;
  readonly lines: readonly string[];
}

/** How an apply has ended (docs/design/programs.md §3). */
export interface ApplyOutcome {
  readonly outcome: "applied" | "rolled-back" | "incomplete";
  readonly failures: readonly ApplyFailure[];
  /** Optional units that failed. */
  readonly leftOut: readonly ApplyFailure[];
  readonly incomplete: readonly Leftover[];
}

/** A failure that belongs to no unit. */
const INTERRUPTED = "interrupted";

/** One apply: carries its steps out, and undoes them if one fails. */
export class ApplyRun {
  readonly #host: ApplyHost;
  readonly #steps: ApplySteps;
  readonly #tell: (event: ApplyEvent) => void;
  readonly #failures: ApplyFailure[] = [];
  readonly #leftOut: ApplyFailure[] = [];
  readonly #underway = new Set<string>();
  readonly #loaded = new Set<string>();
  readonly #touched = new Set<string>();
  readonly #amended = new Map<string, LoadRequest>();
  readonly #trial: Trial;
  #undo: Undo | undefined;
  #plan: number | undefined;
  /** The number of requests to stop it. */
  #interrupts = 0;
  #onFailure: () => void = () => undefined;

  constructor(host: ApplyHost, steps: ApplySteps, tell: (event: ApplyEvent) => void) {
    this.#host = host;
    this.#steps = steps;
    this.#tell = tell;
    const names = steps.starts.map(({ name }) => name);
    this.#trial = {
      cause: new Set([...names, ...steps.removes]),
      failed: (name, message) => this.#fail(name, message),
    };
  }

  /** All reasons that would make a start fail, found before any module stops. */
  async check(): Promise<ApplyFailure[]> {
    const { starts, removes } = this.#steps;
    const going = [...removes, ...starts.map(({ name }) => name)];
    const problems = await Promise.all(
      starts.map(async (step): Promise<ApplyFailure[]> => {
        try {
          await this.#host.modules.check(this.#requestOf(step), going);
          return [];
        } catch (error) {
          if (step.optional) return [];
          return [{ unit: step.name, message: unitMessage(step.name, error), lines: [] }];
        }
      }),
    );
    return problems.flat();
  }

  /** Carries out all steps; after a failure, restores the old state. */
  async run(): Promise<ApplyOutcome> {
    const { modules } = this.#host;
    const { removes, starts, amends, order, sequence } = this.#steps;
    const touched = [...removes, ...starts.map(({ name }) => name), ...amends.map(({ name }) => name)];
    this.#undo = await Undo.of(modules, touched);
    this.#plan = modules.record(order);
    await this.#removeAll(removes);
    const byName = new Map(starts.map((step) => [step.name, step]));
    this.#host.announce(starts.flatMap(({ request }) => request.provides ?? []));
    const turns = sequence === undefined ? restricted(order, new Set(byName.keys())) : chain(sequence);
    await inOrder(turns, async (name) => {
      const step = byName.get(name);
      if (step !== undefined && !this.#isOver) await this.#start(step);
    });
    this.#host.announce(undefined);
    if (!this.#isOver) this.#amendAll();
    if (!this.#isOver && touched.length > 0 && this.#steps.settleMs > 0) await this.#settle();
    if (!this.#isOver) return this.#ended("applied");
    return this.#steps.rollback ? this.undo() : this.#stopHere();
  }

  /** The finished steps stay. Later failures follow the policy of each module. */
  keep(): void {
    const { modules } = this.#host;
    this.endTrials();
    for (const [name, standing] of this.#steps.planned) {
      const entry = modules.entry(name);
      if (entry === undefined || this.#plan === undefined) continue;
      entry.turn = this.#plan;
      entry.request = { ...entry.request, ...standing, plan: this.#plan };
    }
  }

  /** Undoes the finished steps: removes loaded modules, and restores removed and replaced ones. */
  async undo(): Promise<ApplyOutcome> {
    const { modules, log } = this.#host;
    log("notice", "apply: undoing the finished steps");
    for (const [name, request] of this.#amended) modules.amend(name, request);
    const isOver = (): boolean => this.#interrupts > 1 || modules.isSealed;
    const order = reversed(this.#steps.order);
    await inOrder(restricted(order, this.#loaded), async (name) => {
      if (isOver()) return;
      this.#tell({ type: "back", action: "remove", unit: name });
      await this.#removeQuietly(name);
    });
    const left = (await this.#undo?.restore(this.#touched, this.#trial, isOver)) ?? [];
    if (isOver()) await this.#dropStalled();
    this.endTrials();
    const hasStopped = isOver();
    return this.#ended(left.length > 0 || hasStopped ? "incomplete" : "rolled-back", left);
  }

  /** The first call stops further steps and undoes the finished ones. The second stops the undo. */
  interrupt(): void {
    this.#interrupts++;
    if (this.#interrupts === 1) this.#fail("", INTERRUPTED);
    const undone = this.#interrupts === 1 ? [] : (this.#undo?.underway ?? []);
    for (const name of [...this.#underway, ...undone]) void this.#host.modules.interrupt(name);
  }

  /** From now on, failures follow the policy of each module. */
  endTrials(): void {
    for (const name of this.#trial.cause) {
      const entry = this.#host.modules.entry(name);
      if (entry?.trial === this.#trial) entry.trial = undefined;
    }
  }

  get #isOver(): boolean {
    return this.#failures.length > 0;
  }

  #ended(outcome: ApplyOutcome["outcome"], incomplete: readonly Leftover[] = []): ApplyOutcome {
    for (const { unit, why } of incomplete) this.#host.log("err", `apply: ${unit}: ${why}`);
    this.#host.log(outcome === "applied" ? "info" : "err", `apply: ${outcome}`);
    return { outcome, failures: this.#failures, leftOut: this.#leftOut, incomplete };
  }

  async #removeAll(names: readonly string[]): Promise<void> {
    const { modules } = this.#host;
    await inOrder(restricted(modules.takeDownOrder(), new Set(names)), async (name) => {
      if (this.#isOver) return;
      this.#begin("remove", name);
      this.#touched.add(name);
      try {
        await this.#removeWithin(name);
        this.#tell({ type: "end", action: "remove", unit: name });
      } catch (error) {
        // A module that failed during its removal has ended nevertheless.
        if (modules.has(name)) this.#fail(name, messageOf(error), "remove");
        else this.#tell({ type: "end", action: "remove", unit: name, message: unitMessage(name, error) });
      }
    });
  }

  /** Cancels a module that does not end within the time of its unit. */
  async #removeWithin(name: string): Promise<void> {
    const { modules, clock } = this.#host;
    const limitMs = modules.removalTimeoutMs(name);
    const cancel = (): void => void modules.remove(name, "force").catch(() => undefined);
    const timer = limitMs === undefined ? undefined : clock.after(limitMs, cancel);
    try {
      await modules.remove(name, "ask");
    } catch (error) {
      if (errnumOf(error) !== ERRNO.ENOENT) throw error;
    } finally {
      timer?.cancel();
    }
  }

  async #removeQuietly(name: string): Promise<void> {
    try {
      await this.#removeWithin(name);
    } catch (error) {
      this.#host.log("err", `apply: ${name}: ${unitMessage(name, error)}`);
    }
  }

  /** The request of a step, with the arguments of the running module if the step keeps those. */
  #requestOf({ name, request, keepsArgs }: StartStep): LoadRequest {
    const entry = this.#host.modules.entry(name);
    const plan = this.#plan === undefined ? {} : { plan: this.#plan };
    if (!keepsArgs || entry === undefined) return { ...request, ...plan };
    const { unitArgs } = entry.request;
    return { ...request, ...plan, args: entry.args, ...(unitArgs === undefined ? {} : { unitArgs }) };
  }

  async #start(step: StartStep): Promise<void> {
    const { modules, clock } = this.#host;
    const { name, action } = step;
    const request = this.#requestOf(step);
    const time = { isOver: false };
    const expire = (): void => {
      time.isOver = true;
      void modules.interrupt(name);
    };
    const { timeoutMs } = request;
    const timer = timeoutMs === undefined ? undefined : clock.after(timeoutMs, expire);
    this.#begin(action, name);
    this.#underway.add(name);
    try {
      if (!modules.has(name)) this.#loaded.add(name);
      else this.#touched.add(name);
      await modules.exchange(name, request, this.#trial);
      this.#tell({ type: "end", action, unit: name });
    } catch (error) {
      const message = time.isOver ? `timed out after ${(timeoutMs ?? 0) / 1000} s` : messageOf(error);
      if (step.optional && this.#interrupts === 0) await this.#leaveOut(name, message, action);
      else this.#fail(name, message, action);
    } finally {
      timer?.cancel();
      this.#underway.delete(name);
    }
  }

  async #leaveOut(name: string, text: string, action: ApplyEvent["action"]): Promise<void> {
    const message = unitMessage(name, text);
    this.#leftOut.push({ unit: name, message, lines: this.#host.lastLines(name) });
    this.#host.log("warning", `${name} is optional and failed: ${message}`);
    this.#tell({ type: "fail", action, unit: name, message });
    if (this.#host.modules.has(name)) await this.#removeQuietly(name);
  }

  #amendAll(): void {
    for (const { name, request } of this.#steps.amends) {
      const entry = this.#host.modules.entry(name);
      if (entry === undefined) continue;
      this.#begin("change", name);
      const { args } = entry;
      const { unitArgs, plan, digest, kept } = entry.request;
      const before = this.#host.modules.amend(name, {
        ...request,
        ...{ args, unitArgs, plan, digest, kept },
      });
      if (before !== undefined) this.#amended.set(name, before);
      this.#tell({ type: "end", action: "change", unit: name });
    }
  }

  /** Waits for a failure of one of the new runs. */
  #settle(): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#host.clock.after(this.#steps.settleMs, resolve);
      this.#onFailure = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  /** Keeps the current state after a failure. */
  async #stopHere(): Promise<ApplyOutcome> {
    await this.#dropStalled();
    this.endTrials();
    const failed = this.#failures.filter(({ unit }) => unit !== "");
    return this.#ended(
      "incomplete",
      failed.map(({ unit, message }) => ({ unit, why: message })),
    );
  }

  /** A module whose replacement failed no longer holds its requests. */
  async #dropStalled(): Promise<void> {
    for (const { name } of this.#steps.starts) {
      const state = this.#host.modules.entry(name)?.state;
      if (state?.kind === "reloading" && state.isStalled === true) await this.#removeQuietly(name);
    }
  }

  #begin(action: ApplyEvent["action"], unit: string): void {
    this.#host.log("info", `apply: ${action} ${unit}`);
    this.#tell({ type: "start", action, unit });
  }

  #fail(unit: string, text: string, action: ApplyEvent["action"] = "load"): void {
    const message = unitMessage(unit, text);
    const lines = unit === "" || message.includes("its last output: ") ? [] : this.#host.lastLines(unit);
    this.#failures.push({ unit, message, lines });
    this.#host.log("err", unit === "" ? `apply: ${message}` : `apply: ${unit}: ${message}`);
    this.#tell({ type: "fail", action, unit, message });
    this.#onFailure();
  }
}
