export { Broker, type ShutdownReport } from "./broker.js";
export type { InstanceOptions } from "./instance-options.js";
export { planInWorker } from "./plan-in-worker.js";
export { StartError } from "./start-error.js";
export type { UnitOutcome } from "./unit-outcome.js";
