export { ApplyRun } from "./apply/apply-run.js";
export { applySteps } from "./apply/apply-steps.js";
export { DrivenModules } from "./apply/driven-modules.js";
export { type Breach, certifyModule } from "./certify-module.js";
export { systemClock } from "./clock.js";
export { attributeHint } from "./builtin-attributes.js";
export { Broker } from "./broker.js";
export type { BrokerOptions, CloseReport, ShutdownReason } from "./broker-options.js";
export { type Clock } from "./clock.js";
export type { JsonObject } from "./configuration.js";
export { awaitRemains, claimStack } from "./life/stack-claim.js";
export { stackName } from "./life/find-instance.js";
export { type RegisteredInstance, registerInstance, type Registration } from "./life/instance-register.js";
export {
  InstanceLife,
  STOPPING_GRACE_MS,
  type LifeState,
  type PhaseProcess,
  type StopReason,
  type StopSignal,
} from "./life/instance-life.js";
export { type LogFile, openLogFile } from "./log/log-file.js";
export type { LogRotation } from "./log/rotation.js";
export {
  type BrokerReport,
  PHASE_MARK,
  type PhaseView,
  type SupervisorOrder,
} from "./life/broker-process.js";
export { delayOf, parseDelay } from "./delay.js";
export type { LogEntry } from "./log/log-ring.js";
export { checkUnitLibraries, type UnitLibraries } from "./modules/offline-libraries.js";
export { type ModuleInfo, moduleInfo } from "./modules/module-info.js";
export { ForegroundModule } from "./modules/foreground-module.js";
export type { ModuleFinder } from "./modules/module-finder.js";
export { localOverlay } from "./ranks/local-overlay.js";
export { natsOverlay, type NatsOverlayOptions } from "./ranks/nats-overlay.js";
export { formatNatsServers, type NatsServers, parseNatsServers } from "../nats/index.js";
export {
  type Overlay,
  type OverlayReceiver,
  type PublishOutcome,
  type UnsequencedEvent,
} from "./routing/overlay.js";
export { spawnPhase } from "./life/phase-process.js";
export { followInstance, leaderGates } from "./rank-life.js";
export { freshRunDirectory, removeAbandonedRundir, stateDirectoryOf } from "./rundir.js";
export { type OpenedModule, openModule, type OpenModuleOptions } from "./open-module.js";
export { type LoneModule, runModule, type RunModuleOptions } from "./run-module.js";
export { ServiceNotifier } from "./life/service-notifier.js";
export { TimeExtender } from "./life/time-extender.js";
export { ServiceWatchdog, watchdogInterval } from "./life/service-watchdog.js";
export type { StartedModule } from "./started-module.js";
export type { StartModuleOptions } from "./start-module.js";
export { Supervisor } from "./life/supervisor.js";
