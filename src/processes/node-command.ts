/**
 * What the flags of Node make of SIGUSR1. Where Node cannot be told to leave that signal alone, its debugger is sent to an
 * address that no machine has (RFC 5737), for the time from the start of Node to the first line of our code, which takes
 * the signal for itself (`scripts/launch.cjs`).
 */
const FLAGS = process.allowedNodeEnvironmentFlags.has("--disable-sigusr1")
  ? ["--disable-sigusr1"]
  : ["--inspect-port=192.0.2.1:65535"];

/** Whether the user wants a debugger, by NODE_OPTIONS. */
const isDebugged = /--inspect/.test(process.env["NODE_OPTIONS"] ?? "");

/** Every command that runs Node begins with this: nothing of ours opens a debugger to SIGUSR1. */
export const NODE_COMMAND: readonly [file: string, ...flags: string[]] = [
  process.execPath,
  ...(isDebugged ? [] : FLAGS),
];
