export { Broker, type ShutdownReport } from "./broker.js";
export type { InstanceOptions } from "./instance-options.js";
export { StartError } from "./start-error.js";
export type { UnitOutcome } from "./unit-outcome.js";
