export { findModule } from "./find-module.js";
export { moduleNameOf } from "./module-name.js";
export type * from "./port.js";
export { LoaderRegistry } from "./registry.js";
export { createThreadLoader } from "./thread.js";
