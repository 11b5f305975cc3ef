export {
  type AskedPick,
  checkLibraries,
  failuresText,
  LIBRARY_TIMEOUT_MS,
  libraryHost,
  type LibraryReport,
} from "./check.js";
export { compareContracts, type ContractDiff } from "./contracts/compare.js";
export {
  type Contract,
  type Exchange,
  type ExchangeStep,
  type Expected,
  readContract,
  type Method,
} from "./contracts/contract.js";
export { breachesOf, differencesFrom, type Shape } from "./contracts/shape.js";
export { digestOf } from "./digest.js";
export type { LibraryManifest, ManifestModule } from "./generated/tables.js";
export { type Kinds, kindsOf, missingMethods } from "./kinds.js";
export { type MemberPath, readPicks, splitMember } from "./member-path.js";
export { looksLikeLibrary, openLibrary, type OpenedLibrary } from "./open.js";
export {
  failureText,
  groupsOf,
  type LibraryFailure,
  type LibraryPick,
  moduleOf,
  type Others,
  verifyAlone,
  type VerifyInput,
  verifyLibraries,
} from "./verify.js";
export {
  loadPlugin,
  type Plugin,
  type PluginKinds,
  type PluginOptions,
  unloadPlugin,
} from "./plugins/load-plugin.js";
