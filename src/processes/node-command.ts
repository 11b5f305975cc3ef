/**
 * The effect of Node's flags on SIGUSR1. Where no option makes Node ignore that signal, its debugger gets an address
 * that no machine has (RFC 5737). That is for the time from the start of Node to the first line of our code, which
 * takes the signal for itself (`scripts/build/launch.cjs`).
 */
const FLAGS = hasSignalFlag(process.versions.node)
  ? ["--disable-sigusr1"]
  : ["--inspect-port=192.0.2.1:65535"];

/**
 * Whether a version of Node has `--disable-sigusr1`. It takes 1 ms in each process to make Node's own list of its
 * flags.
 */
export function hasSignalFlag(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 23 || (major === 23 && minor >= 7) || (major === 22 && minor >= 14);
}

/** Whether the user requests a debugger, by NODE_OPTIONS. */
const isDebugged = /--inspect/.test(process.env["NODE_OPTIONS"] ?? "");

/** Every command that runs Node begins with this, so that no process of ours opens a debugger at SIGUSR1. */
export const NODE_COMMAND: readonly [file: string, ...flags: string[]] = [
  process.execPath,
  ...(isDebugged ? [] : FLAGS),
];
