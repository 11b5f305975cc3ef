/** Open requests of one sender for one topic, at the broker of one rank (`broker.waits`). */
export interface OpenRequests {
  /** Identifies the sender in the whole instance. */
  readonly origin: string;
  /** The sender's name; undefined if the request came from another rank. */
  readonly name?: string | undefined;
  /** Number of brokers that the requests have passed, including this one. */
  readonly hops: number;
  readonly topic: string;
  /** The module that a request to the broker itself is about, such as one that is being loaded. */
  readonly about?: string | undefined;
  /** The part that has to answer: a module or service here, or another rank. */
  readonly target: { readonly id: string; readonly name: string; readonly rank?: number | undefined };
  readonly count: number;
  /** How long the oldest request has been open. */
  readonly seconds: number;
  /** Whether the requests are streams, which stay open by design. */
  readonly isStream: boolean;
  /** Whether flow control holds the sender back: the request has not been passed on. */
  readonly isHeld: boolean;
}

/** A module of one rank, with the data for waits on it. */
export interface WaitedModule {
  readonly uuid: string;
  readonly name: string;
  /** `starting`, `running`, `reloading`, `removing` or `backoff`. */
  readonly state: string;
  /** How long it has sent nothing. */
  readonly idleSeconds: number;
  /** Units of its plan that are ordered after it and not loaded yet. */
  readonly heldUnits: readonly string[];
}

/** The report of one rank. */
export interface RankWaits {
  readonly rank: number;
  readonly requests: readonly OpenRequests[];
  readonly modules: readonly WaitedModule[];
}

/** An end of an edge: a client, a module, a service of a broker, a rank, or a unit that is not loaded yet. */
export interface WaitNode {
  /** Unique in the graph. */
  readonly id: string;
  readonly name: string;
  readonly rank: number | undefined;
  /** Its state, which may explain the wait: `silent`, `starting`, `reloading`, `removing`, `backoff`; undefined: it answers others. */
  readonly state?: string | undefined;
  /** How long it has been in this state. */
  readonly seconds?: number | undefined;
}

/** One node waits for another. */
export interface WaitEdge {
  readonly from: WaitNode;
  readonly to: WaitNode;
  /** The topic; `after` for a unit that waits for its predecessor. */
  readonly topic: string;
  readonly count: number;
  readonly seconds: number;
  readonly isHeld: boolean;
}

/** The parts of an instance, and the parts that each waits for. */
export interface WaitGraph {
  readonly edges: readonly WaitEdge[];
  /** From a unit that no other waits for to the last link, the longest wait first. */
  readonly chains: readonly (readonly WaitEdge[])[];
  /** Rings of edges that have lasted for a while: no request in them can be answered. */
  readonly deadlocks: readonly (readonly WaitEdge[])[];
  /** Open streams, which are not part of the graph. */
  readonly streams: number;
}
