import { ApplyRun, applySteps, DrivenModules, systemClock } from "../../broker/index.js";
import { requestError } from "../../errors/index.js";
import { fields, type Handle, type JsonValue } from "../../messages/index.js";
import type { ApplyStepEvent, ApplyTurn, RankOutcome, UnitFailure } from "./apply-session.js";

/**
 * An apply on an instance of another system, whose broker cannot apply (docs/design/flux.md §2). This process applies
 * the changes. If it is killed, the next apply starts from the modules loaded at that time.
 */
export class DrivenApply implements ApplyTurn {
  readonly #handle: Handle;
  readonly #modules: DrivenModules;
  #onStep: (event: ApplyStepEvent) => void = () => undefined;
  #run: ApplyRun | undefined;

  private constructor(handle: Handle, modules: DrivenModules) {
    this.#handle = handle;
    this.#modules = modules;
  }

  /**
   * Waits for its turn, which lasts as long as the driver.
   * @param by the client's name, for other clients that wait for it
   * @param onWaiting called with the name of the apply that it waits for
   */
  static async open(
    handle: Handle,
    { by, onWaiting }: { readonly by: string; readonly onWaiting: (by: string) => void },
  ): Promise<DrivenApply> {
    const first = await handle.rpc("module.apply-turn", { by, waits: false });
    const { by: other } = fields(first, { by: "string?" });
    if (other !== undefined) {
      onWaiting(other);
      await handle.rpc("module.apply-turn", { by, waits: true });
    }
    return new DrivenApply(handle, await DrivenModules.open(handle));
  }

  prepare(steps: JsonValue): Promise<UnitFailure[]> {
    this.#run = new ApplyRun(
      {
        ...{ modules: this.#modules, clock: systemClock },
        log: (level, text) => this.#handle.log(level, text),
        announce: () => undefined,
        lastLines: () => [],
      },
      applySteps(steps),
      ({ message, ...event }) => this.#onStep({ ...event, message }),
    );
    return this.#run.check().then((failures) => [...failures]);
  }

  async run(onStep: (event: ApplyStepEvent) => void): Promise<RankOutcome> {
    this.#onStep = onStep;
    const outcome = await this.#prepared.run();
    if (outcome.outcome === "applied") await this.keep();
    return outcome;
  }

  interrupt(): Promise<void> {
    this.#run?.interrupt();
    return Promise.resolve();
  }

  async keep(): Promise<void> {
    this.#prepared.keep();
    await this.#modules.note();
  }

  undo(): Promise<RankOutcome> {
    return this.#prepared.undo();
  }

  /** The turn ends with the driver. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  get #prepared(): ApplyRun {
    if (this.#run === undefined) throw requestError("EINVAL", "the steps of this apply are not prepared");
    return this.#run;
  }
}
