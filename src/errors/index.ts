export { counted } from "./counted.js";
export { ERROR_CODES, type ErrorCode } from "./codes.js";
export {
  compareDiagnostics,
  compareText,
  type Diagnostic,
  fail,
  type Location,
  type Origin,
  type Related,
  type Result,
  succeed,
} from "./diagnostic.js";
export { ERRNO, type ErrnoName, errnoName, strerror } from "./errno.js";
export {
  escapeAllButColours,
  escapeControls,
  hasControls,
  indentLines,
  onOneLine,
  printableJson,
  printableText,
} from "./printable.js";
export { formatLocation, renderDiagnostic } from "./render.js";
export {
  errnumOf,
  isErrno,
  isErrnum,
  messageOf,
  stackOf,
  requestError,
  SluiceError,
  systemMessage,
} from "./sluice-error.js";
export { overlayStateError } from "./overlay-state-error.js";
export { commandText, SECRET, withoutArguments } from "./secret.js";
export { placeInStack } from "./stack-place.js";
export { didYouMean } from "./suggest.js";
