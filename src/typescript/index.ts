export { CodeCache } from "./code-cache.js";
export { type EvaluatedModules, type PreparedCode, runPrepared } from "./prepared-code.js";
export { Transpiler } from "./transpiler.js";
