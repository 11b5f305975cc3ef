/** The question to a policy of a scheduler: which waiting jobs start now. */
import { loadPlugin, type Plugin } from "sluice";

/** A job that waits for cores. */
export interface WaitingJob {
  readonly id: number;
  readonly cores: number;
  readonly urgency: number;
}

/** The functions of a plug-in of the kind `sched-policy`. */
export interface SchedPolicy {
  /** The name of the policy for users. */
  title(): string;
  /**
   * @param queue in the order of submission
   * @param free cores that are free
   * @returns ids of the jobs to start, in order
   */
  select(queue: readonly WaitingJob[], free: number): readonly number[];
}

declare module "sluice" {
  interface PluginKinds {
    "sched-policy": SchedPolicy;
  }
}

/** Loads a policy from a file of any language. */
export function loadPolicy(path: string): Promise<Plugin<Pick<SchedPolicy, "title" | "select">>> {
  return loadPlugin(path, { kind: "sched-policy", symbols: ["title", "select"] });
}
