/// <reference types="node" preserve="true" />
/**
 * What rc files import as `sluice/rc`. Apart from the rest, so that the process that hosts them loads nothing else.
 */
export type { Context } from "./context.js";
export {
  type NamedTaskOptions,
  type SetupFunction,
  task,
  type TaskFunction,
  type TaskOptions,
} from "./task.js";
