export { dependencyTree, renderTree, treeLines } from "./tree.js";
export { dryRunLines } from "./dry-run.js";
export { plan } from "./plan.js";
export { reasonText } from "./reason-text.js";
export { runlevelRoots } from "./runlevel-roots.js";
export { showDeps } from "./show-deps.js";
export { toGraph } from "./to-graph.js";
export type * from "./types.js";
export { verifyCatalog } from "./verify.js";
