/**
 * A set of ranks as ascending, disjoint, inclusive ranges; never as an array of ranks.
 * `text` is the source text: `all`, an RFC 22 idset, `>N` or `<N`.
 */
export interface RankSet {
  readonly text: string;
  readonly ranges: readonly (readonly [low: number, high: number])[];
}

/** A condition on a configuration key, an attribute or an environment variable: `key`, or `!key` when negated. */
export interface Condition {
  readonly key: string;
  readonly negated: boolean;
}

/** The policy after the failure of a running module (docs/design/modules.md §3). */
export type FailurePolicy = "panic" | "log" | "restart";

/** The policy after an unrequested exit of an ordinary program with status 0 (docs/design/programs.md §1). */
export type ExitPolicy = "log" | "restart" | "shutdown";

/** A phase in whose plan a declarative task is a root. */
export const RUNLEVELS = ["rc1", "rc3"] as const;

export type Runlevel = (typeof RUNLEVELS)[number];

/** A table in a unit in its written form: quantities in it are texts. */
export type Table = Readonly<Record<string, string | number | boolean | readonly string[]>>;
