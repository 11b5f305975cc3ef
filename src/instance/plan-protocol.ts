import type { MessagePort } from "node:worker_threads";
import type { Diagnostic, Location } from "../errors/index.js";
import type { PlanInput, PortablePlan } from "../graph/index.js";
import type { Unit } from "../units/index.js";

/** The start data of the planning thread. */
export interface PlanThreadSetup {
  /** The port for the answers. */
  readonly answers: MessagePort;
  /** Becomes 1 when an answer has been sent. The thread sleeps before that. */
  readonly isAnswered: Int32Array<SharedArrayBuffer>;
}

/** The messages to the thread that plans. */
export type PlanOrder =
  /** Some more units of the catalog. The whole catalog at once would keep the sender busy for too long. */
  | { readonly kind: "units"; readonly units: readonly Unit[] }
  /** The catalog is complete. The thread is to plan. */
  | {
      readonly kind: "plan";
      /** The input of the plan, without its origins. */
      readonly input: PlanInput;
      readonly alternatives: readonly { readonly service: string; readonly unit: string }[];
      /** Names whose origin the thread can give. */
      readonly named: readonly string[];
    };

/** A question about the origin of a setting, for the messages of problems. */
export type OriginQuestion =
  | {
      readonly of: "unit";
      readonly unit: string;
      readonly key: string;
      readonly element: string | undefined;
    }
  | { readonly of: "alternative"; readonly at: number }
  | { readonly of: "name"; readonly name: string };

/** An origin as plain data; undefined without an origin. */
export type OriginAnswer = { readonly label: string; readonly location: Location | undefined } | undefined;

/** The messages from the thread that plans. */
export type PlanReport =
  | { readonly kind: "ask"; readonly question: OriginQuestion }
  | { readonly kind: "planned"; readonly plan: PortablePlan; readonly warnings: readonly Diagnostic[] }
  | { readonly kind: "failed"; readonly diagnostics: readonly Diagnostic[] };
