export * from "./authoring.js";
export { type HostProgram, PYTHON_HOST, SCRIPT_HOST } from "./host-program.js";
export type { OutputLine } from "./host-port.js";
export { LineSplitter } from "./line-splitter.js";
export { rcFiles } from "./rc-files.js";
export { type RcReading, readRcFiles, readSoundRcFiles } from "./rc-reading.js";
export { type RcFacts, RcSession, type RcSessionOptions } from "./session.js";
export { InstanceStepExecutor, type InstanceStepExecutorOptions } from "./instance-step-executor.js";
export { refusalText, verifyLibrariesOf, verifyModules } from "./verify-libraries.js";
