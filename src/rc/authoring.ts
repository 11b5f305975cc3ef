/// <reference types="node" preserve="true" />
/**
 * The exports of `sluice/rc` for rc files. A separate entry, so that the process of the host loads no other code.
 */
export type { Context } from "./context.js";
export {
  type NamedTaskOptions,
  type SetupFunction,
  task,
  type TaskFunction,
  type TaskOptions,
} from "./task.js";
