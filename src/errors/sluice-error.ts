import { inspect } from "node:util";
import type { ErrorCode } from "./codes.js";
import type { Location } from "./diagnostic.js";
import { ERRNO, type ErrnoName, errnoName, strerror } from "./errno.js";

interface SluiceErrorOptions {
  readonly cause?: unknown;
  /** POSIX error number; see {@link ERRNO}. */
  readonly errnum?: number | undefined;
  /** Name of the unit of the error. */
  readonly unit?: string | undefined;
  readonly location?: Location | undefined;
  /** The remedy, such as `did you mean 'after'?`. */
  readonly hint?: string | undefined;
}

/** The same in every copy of this library in a process. */
const BRAND = Symbol.for("sluice.error");

/**
 * A fault at run time. Check its `code` and `errnum`, never its text. `instanceof` is also true for errors of
 * another copy of this library, because modules and rc files may have their own copy.
 */
export class SluiceError extends Error {
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === "object" && value !== null && BRAND in value;
  }

  override readonly name = "SluiceError";
  readonly code: ErrorCode;
  readonly errnum: number | undefined;
  readonly unit: string | undefined;
  readonly location: Location | undefined;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: SluiceErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.errnum = options.errnum;
    this.unit = options.unit;
    this.location = options.location;
    this.hint = options.hint;
  }

  get [BRAND](): true {
    return true;
  }
}

/**
 * The error that the requester gets for a failed request.
 * @param errno name of the POSIX error
 * @param message text for users; by default the text of the error number
 */
export function requestError(errno: ErrnoName, message?: string, cause?: unknown): SluiceError {
  const errnum = ERRNO[errno];
  return new SluiceError("BROKER_REQUEST", message ?? strerror(errnum), { errnum, cause });
}

const LAST_ERRNUM = 0x7fff_ffff;

/** Whether a value is an error number as responses carry it. */
export function isErrnum(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) > 0 && (value as number) <= LAST_ERRNUM;
}

/**
 * The error number that a thrown value carries: its own, or the number of a Node system error. An object of another
 * class does not count, even if it has the same name.
 */
export function errnumOf(error: unknown): number | undefined {
  if (typeof error === "object" && error !== null && "errnum" in error && isErrnum(error.errnum)) {
    return error.errnum;
  }
  if (
    error instanceof Error &&
    "code" in error &&
    typeof error.code === "string" &&
    Object.hasOwn(ERRNO, error.code)
  ) {
    return ERRNO[error.code as ErrnoName];
  }
  // A thrown value that is not an error may have the number too. Node's own errors have a negative number.
  if (typeof error === "object" && error !== null && "errno" in error && typeof error.errno === "number") {
    const errnum = Math.abs(error.errno);
    return isErrnum(errnum) ? errnum : undefined;
  }
  return undefined;
}

/**
 * The text of any thrown value: the message of an error with the messages of its parts, or another value as
 * text.
 */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return aggregateMessage(error);
  if (error instanceof Error) return error.message;
  return typeof error === "string" ? error : inspect(error, { breakLength: Infinity, depth: 4 });
}

function aggregateMessage({ message, errors }: AggregateError): string {
  const parts = errors.map(messageOf).join("; ");
  return [message || `${errors.length} errors`, parts].filter((text) => text !== "").join(": ");
}

/** The stack of an error, and of the parts that it has; undefined if it has none. */
export function stackOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if (!(error instanceof AggregateError)) return error.stack;
  return [error.stack, ...error.errors.map((part) => stackOf(part) ?? messageOf(part))].join("\n");
}

/** The system's text for an error of its own, such as `No such file or directory`; else the message. */
export function systemMessage(error: unknown): string {
  const errnum = errnumOf(error);
  return errnum === undefined || errnoName(errnum) === undefined ? messageOf(error) : strerror(errnum);
}

/** Whether an error carries this error number. */
export function isErrno(error: unknown, name: ErrnoName): boolean {
  const errnum = errnumOf(error);
  return errnum !== undefined && errnoName(errnum) === name;
}
