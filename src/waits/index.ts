export type { OpenRequests, RankWaits, WaitedModule, WaitEdge, WaitGraph, WaitNode } from "./types.js";
export { waitGraph, waitsOf } from "./wait-graph.js";
export { chainText, waitLines } from "./waits-text.js";
