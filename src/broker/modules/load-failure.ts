import { basename } from "node:path";
import { ERRNO, errnoName, placeInStack, requestError, SluiceError, strerror } from "../../errors/index.js";
import type { ModuleEnd, ModuleFailure } from "./module-instance.js";

/** The error of a load whose program was not ready: its text is complete. */
export function programLoadFailure(name: string, end: ModuleEnd): SluiceError {
  if (end.kind !== "failed") return loadFailure(name, "", end);
  return new SluiceError("BROKER_REQUEST", `${name}: ${end.message}`, { errnum: end.errnum });
}

/**
 * The error of a load whose module ended before it ran. It has the place in the module's file if the stack
 * has one, else the module's name.
 * @param path of the module's file
 */
export function loadFailure(name: string, path: string, end: ModuleEnd): SluiceError {
  switch (end.kind) {
    case "ok":
      return requestError("ECONNRESET", "module exited before it was running");
    case "cancelled":
      return requestError("ECANCELED", "load was cancelled");
    case "failed": {
      const message = `${prefix(name, path, end)}${messageWithErrno(end)}`;
      return new SluiceError("BROKER_REQUEST", message, { errnum: end.errnum });
    }
  }
}

function prefix(name: string, path: string, { message, detail }: ModuleFailure): string {
  if (message.startsWith(`${path}:`) || message.startsWith(`${name}: `)) return "";
  const place = placeInStack(detail, path);
  return place === undefined ? `${name}: ` : `${basename(path)}:${place}: `;
}

/** An error with its own number explains the number, unless its text already does. */
function messageWithErrno({ message, errnum }: ModuleFailure): string {
  const meaning = strerror(errnum);
  const isKnown = errnoName(errnum) !== undefined && errnum !== ERRNO.ECONNRESET;
  return !isKnown || message.includes(meaning) ? message : `${message} (${meaning})`;
}
