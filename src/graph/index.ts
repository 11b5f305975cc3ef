export { accountFor } from "./account.js";
export { accountToJson, causeToJson, originToJson } from "./account-json.js";
export { accountLines, causeLines } from "./account-text.js";
export type * from "./account-types.js";
export { applyChange, type Change, type StartInput } from "./change.js";
export { type Advice, findRemedies, type Remedy } from "./change-search.js";
export { changeText } from "./change-text.js";
export { causesOfDifference } from "./difference-causes.js";
export { dependencyTree, renderTree, treeLines } from "./tree.js";
export { dryRunLines } from "./dry-run.js";
export { type PhaseContents, phaseRequest } from "./phase-request.js";
export { type LockedClass, lockOf, lockText, type PlanLock, type RankedPlan } from "./lock.js";
export { differenceText, diffLocks, type LockChange, type LockDifference } from "./lock-diff.js";
export {
  type Picture,
  type PictureEdge,
  type PictureNode,
  pictureOf,
  type PictureService,
} from "./picture.js";
export { withoutImpliedAsks } from "./picture-reduced.js";
export { pictureToDot, pictureToMermaid } from "./picture-text.js";
export { plan } from "./plan.js";
export { rankClasses } from "./rank-classes.js";
export { factsAt, type RankFacts } from "./rank-facts.js";
export { type MatrixCell, type RankMatrix, rankMatrix } from "./rank-matrix.js";
export { runlevelRoots } from "./runlevel-roots.js";
export { reasonText } from "./reason-text.js";
export { showDeps } from "./show-deps.js";
export { toGraph } from "./to-graph.js";
export type * from "./types.js";
export { verifyCatalog } from "./verify.js";
export { doubtOrder, doubtReached } from "./verify-plan.js";
export { doubtRequests, type RequestAtLoad } from "./verify-requests.js";
