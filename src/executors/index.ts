export { configuredLoaders } from "./configured-loaders.js";
export { findModule } from "./find-module.js";
export { moduleNameOf } from "./module-name.js";
export type * from "./port.js";
export { createProcessLoader } from "./process.js";
export { createProgramLoader } from "./program.js";
export { createPythonLoader } from "./python.js";
export { type LoaderChoice, LoaderRegistry } from "./registry.js";
export { createThreadLoader } from "./thread.js";
