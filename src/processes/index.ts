export { atExit } from "./at-exit.js";
export { clearLostCgroups, memoryLimitFile } from "./cgroups.js";
export { findCommand } from "./find-command.js";
export { initPrefix } from "./init-helper.js";
export { Guard } from "./guard.js";
export {
  inheritedMark,
  isStartedBy,
  type Mark,
  MARK_VARIABLE,
  markedEnvironment,
  markOf,
  membersOf,
  partEnvironment,
  partOf,
  killMarked,
  sweep,
  sweepOrphans,
} from "./mark.js";
export { inheritedStdio } from "./inherited-descriptors.js";
export { type Limits, onAbort, watchLimits, withinLimits } from "./limits.js";
export { missingInterpreter } from "./missing-interpreter.js";
export { NODE_COMMAND } from "./node-command.js";
export { becomeOwner } from "./owner.js";
export { parentDeathPrefix } from "./parent-death.js";
export {
  commandEndText,
  endOf,
  endOfShellStatus,
  isSuccess,
  moduleEndText,
  type OutputStreamName,
  partEndText,
  type ProcessEnd,
  processEnd,
  releaseOutputs,
  shellStatus,
  signalText,
} from "./process-end.js";
export { killTree, processesWith } from "./process-tree.js";
export { outliveSignals } from "./outlive-signals.js";
export { PYTHON_PACKAGES, pythonEnvironment } from "./python-environment.js";
export { killGroup, type ProgramProcess, signalGroup, signalProcess, signalProgram } from "./signals.js";
export { readLimited } from "./read-limited.js";
export { Refs, setChildRef, setRefOf } from "./refs.js";
export { SAME_SIGNAL_MS, SignalWindow } from "./signal-window.js";
export { hasProgramHelper, startProgram } from "./programs/start-program.js";
export type { Identity, ResourceLimit, SupervisedProgram } from "./programs/supervised-program.js";
export { hasStartedProcesses, startProcess } from "./start-process.js";
export { startThread } from "./start-thread.js";
export { allIsRead, sleep, startInterval, startTimer, type Timer } from "./timers.js";
export { requireWorkingDirectory } from "./working-directory.js";
export { lookUpGroup, lookUpUser } from "./user-lookup.js";
