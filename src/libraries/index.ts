export {
  type AskedPick,
  checkLibraries,
  failuresText,
  libraryHost,
  type LibraryReport,
} from "./check.js";
export { digestOf } from "./digest.js";
export type { LibraryManifest, ManifestModule } from "./generated/tables.js";
export { type Kinds, kindsOf, missingMethods } from "./kinds.js";
export { readPicks, splitMember } from "./member-path.js";
export type { OpenedLibrary } from "./open.js";
export {
  failureText,
  groupsOf,
  type LibraryFailure,
  type LibraryPick,
  moduleOf,
  type Others,
  type VerifyInput,
  verifyLibraries,
} from "./verify.js";
