import { delimiter } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * The directory with our Python packages `sluice` and `flux`. The path is valid in `dist/python/` and in the bundle.
 */
export const PYTHON_PACKAGES = fileURLToPath(new URL("../../python", import.meta.url));

/**
 * The variables with which an interpreter imports our packages, and no package of the same name in the working directory.
 * @param inherited its other variables; the directories that `PYTHONPATH` already names come after ours
 */
export function pythonEnvironment(inherited: NodeJS.ProcessEnv): Readonly<Record<string, string>> {
  const others = inherited["PYTHONPATH"];
  const hasOthers = others !== undefined && others !== "";
  return {
    PYTHONPATH: hasOthers ? `${PYTHON_PACKAGES}${delimiter}${others}` : PYTHON_PACKAGES,
    PYTHONSAFEPATH: "1",
  };
}
