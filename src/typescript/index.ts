export { type DecidingUse, runInstrumented } from "./instrumented-code.js";
export { jitiTransform } from "./jiti-code.js";
export { makeCode } from "./made-code.js";
export { type EvaluatedModules, type PreparedCode, runPrepared } from "./prepared-code.js";
export { showWrittenPlaces } from "./stack-places.js";
export { typescriptFile } from "./typescript-file.js";
export { Transpiler } from "./transpiler.js";
