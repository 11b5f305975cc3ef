export { Broker } from "./broker.js";
export type { BrokerOptions, CloseReport, ShutdownReason } from "./broker-options.js";
export { type Clock, systemClock, type Timer } from "./clock.js";
export type { JsonObject } from "./configuration.js";
export {
  InstanceLife,
  type LifeOptions,
  type LifeState,
  type PhaseProcess,
  type StopReason,
  type StopSignal,
} from "./instance-life.js";
export { type LogFile, openLogFile } from "./log-file.js";
export type { LogEntry } from "./log-ring.js";
export { type ModuleInfo, moduleInfo } from "./module-info.js";
export type { FindRequest, FoundModule, ModuleFinder } from "./module-finder.js";
export {
  loopback,
  type Overlay,
  type OverlayReceiver,
  type PublishOutcome,
  type UnsequencedEvent,
} from "./overlay.js";
export { type ProgramProcess, signalProgram, spawnPhase } from "./phase-process.js";
export { freshRunDirectory } from "./rundir.js";
export { type LoneModule, runModule, type RunModuleOptions } from "./run-module.js";
export { ServiceNotifier } from "./service-notifier.js";
export { shutdownTimeoutMs } from "./shutdown-timeout.js";
export { type BrokerReport, Supervisor, type SupervisorOptions, type SupervisorOrder } from "./supervisor.js";
