export * from "./authoring.js";
export { fluxHostPrograms, type HostProgram, PYTHON_HOST, SCRIPT_HOST } from "./host-program.js";
export type { OutputLine } from "./host-port.js";
export { LineSplitter } from "./line-splitter.js";
export { labelled } from "./output-lines.js";
export { missingProgramWarnings } from "./missing-programs.js";
export { rcFiles, servicesChosenByCode } from "./rc-files.js";
export { type RcReading, readRcFiles, readSoundRcFiles } from "./rc-reading.js";
export { type RcFacts, RcSession, type RcSessionOptions } from "./session.js";
export {
  InstanceStepExecutor,
  type InstanceStepExecutorOptions,
  loadRequest,
} from "./instance-step-executor.js";
export { refusalText, verifyLibrariesOf, verifyModules } from "./verify-libraries.js";
export { idleScriptWarnings, unreadFileWarnings } from "./unread-files.js";
