export { applyToJson } from "./apply/apply-json.js";
export { applyLines, causesText, staysLines } from "./apply/apply-text.js";
export type * from "./apply/apply-types.js";
export { planApply, unitDifferences } from "./apply/plan-apply.js";
export { accountFor } from "./why/account.js";
export { accountToJson, causeToJson } from "./why/account-json.js";
export { accountLines, causeLines } from "./why/account-text.js";
export type * from "./why/account-types.js";
export { applyChange, type Change, type StartInput } from "./why/change.js";
export { findRemedies } from "./why/change-search.js";
export { causesOfDifference } from "./why/difference-causes.js";
export { dependencyTree, renderTree, treeLines } from "./picture/tree.js";
export { dryRunLines } from "./picture/dry-run.js";
export { greatestFirst, Heap, leastFirst } from "./heap.js";
export { loadOrder } from "./loaded.js";
export { type PhaseContents, phaseRequest, runlevelRoots } from "./phase-request.js";
export { lockOf, lockText, type PlanLock, type RankedPlan } from "./fleet/lock.js";
export { differenceText, diffLocks, type LockDifference } from "./fleet/lock-diff.js";
export {
  type Picture,
  type PictureEdge,
  type PictureNode,
  pictureOf,
  type PictureService,
} from "./picture/picture.js";
export { withoutImpliedAsks } from "./picture/picture-reduced.js";
export { pictureToDot, pictureToMermaid } from "./picture/picture-text.js";
export { plan, requestOf } from "./plan.js";
export { planFrom, type PortablePlan } from "./portable/portable-plan.js";
export { rankClasses } from "./fleet/rank-classes.js";
export { factsAt, type RankFacts } from "./fleet/rank-facts.js";
export { type MatrixCell, rankMatrix } from "./fleet/rank-matrix.js";
export { unknownNameText } from "./request-names.js";
export { reasonText } from "./reason-text.js";
export { eachDependencies, showDeps } from "./show-deps.js";
export { toGraph } from "./to-graph.js";
export type * from "./types.js";
export { verifyCatalog } from "./verify/verify.js";
export { orderWarnings, unreachedWarnings } from "./verify/verify-plan.js";
export { startupRequestWarnings, type RequestAtLoad } from "./verify/verify-requests.js";
