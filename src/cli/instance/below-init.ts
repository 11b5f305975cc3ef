import { initPrefix, NODE_COMMAND } from "../../processes/index.js";
import { passThrough } from "../pass-through.js";
import { PACKAGE_ROOT } from "../version.js";

/**
 * As process 1, for example in a container, runs the command line of this process again below the helper. That
 * process reaps the orphans of others, which Node cannot do (ADR 16).
 * @param env further variables of the new process
 * @returns false if this is not process 1, or there is no helper
 */
export async function runBelowInit(env: Readonly<Record<string, string>> = {}): Promise<boolean> {
  const [helper, ...args] = initPrefix();
  if (process.pid !== 1 || helper === undefined) return false;
  const command = [...NODE_COMMAND, `${PACKAGE_ROOT}dist/cli/main.cjs`, ...process.argv.slice(2)];
  await passThrough(helper, [...args, ...command], { ...process.env, ...env }, { isInit: true });
  return true;
}
