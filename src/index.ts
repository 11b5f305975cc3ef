/// <reference types="node" preserve="true" />
/**
 * The public library (docs/design/embedding.md §1). Everything that the command line does is one of these calls.
 * Nothing here ends the process, changes its directory or takes its signals.
 */
export {
  type Blame,
  blame,
  type ChainLink,
  type ChromeTrace,
  criticalChain,
  type Gantt,
  type GanttBar,
  ganttOf,
  ganttToHtml,
  ganttToSvg,
  ganttToTrace,
  nextToCritical,
  type Prediction,
  readRecord,
  type RecordedPlan,
  type RecordedStep,
  recordedTimeline,
  recordFromText,
  recordPlan,
  recordToText,
  type RunRecord,
  type StepTime,
  type Supposition,
  type Timeline,
  type Wait,
  whatIf,
} from "./analysis/index.js";
export { type CloseReport, type LoneModule, runModule, type RunModuleOptions } from "./broker/index.js";
export {
  type Diagnostic,
  type ErrorCode,
  isErrno,
  type Location,
  messageOf,
  renderDiagnostic,
  requestError,
  type Result,
  SluiceError,
} from "./errors/index.js";
export {
  Broker,
  type InstanceOptions,
  type ShutdownReport,
  StartError,
  type UnitOutcome,
} from "./instance/index.js";
export {
  loadPlugin,
  type Plugin,
  type PluginKinds,
  type PluginOptions,
  unloadPlugin,
} from "./libraries/index.js";
export type { ModuleExit, ModuleLoader, ModuleSpec, RunningModule } from "./loaders/index.js";
export {
  dryRunLines,
  type Explanation,
  type Facts,
  type Picture,
  type PictureEdge,
  type PictureNode,
  pictureOf,
  type PictureService,
  pictureToDot,
  pictureToMermaid,
  type Plan,
  plan,
  type PlanInput,
  type Reason,
  reasonText,
  showDeps,
  type Step,
} from "./graph/index.js";
export {
  BrokerModule,
  type Channel,
  connect,
  type Event,
  fields,
  type Handle,
  type JsonValue,
  type Library,
  LIBRARY_API,
  LIBRARY_MARK,
  type LibraryHost,
  type LibraryModule,
  type ModuleDemands,
  type Limits,
  type OutputStream,
  type Payload,
  RemoteCommand,
  type RemoteCommandOptions,
  type RemoteEnd,
  type Request,
} from "./messages/index.js";
export {
  type DrawnPicture,
  pictureTitle,
  renderPicture,
  type RenderPictureOptions,
} from "./pictures/index.js";
export { InstanceStepExecutor } from "./rc/index.js";
export {
  collect,
  eventToJson,
  type StepExecutor,
  type RunEvent,
  type RunEventJson,
  type RunReport,
  runPlan,
} from "./run/index.js";
export {
  type Catalog,
  type ComposeUnitsOptions,
  composeUnits,
  createFileGuard,
  type FileGuard,
  INSECURE,
  type Unit,
  unitToJson,
} from "./units/index.js";
