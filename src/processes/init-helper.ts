import { existsSync } from "node:fs";
import { arch, platform } from "node:process";
import { fileURLToPath } from "node:url";

/**
 * The program that reaps orphans and ends all processes that a command has started (`native/sluice-init.c`).
 * The build makes it where there is a C compiler. The path is valid in `dist/processes` and in the bundle.
 */
const HELPER = fileURLToPath(new URL(`../bin/sluice-init-${platform}-${arch}`, import.meta.url));

const SWITCH_OFF = "SLUICE_NO_HELPER";

/** The helper, if it was built and the environment does not forbid it. */
export function helper(): string | undefined {
  return (process.env[SWITCH_OFF] ?? "") === "" && existsSync(HELPER) ? HELPER : undefined;
}

/** The prefix of a command; empty if the helper was not built for this machine. */
export function initPrefix(): readonly string[] {
  return existsSync(HELPER) ? [HELPER, "--"] : [];
}
