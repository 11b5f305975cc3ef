import type { TransformOptions, TransformResult } from "jiti";
import { CodeCache } from "./code-cache.js";
import { makeCode } from "./made-code.js";
import { rememberCode } from "./stack-places.js";

/** Raised when the same source is to become other code. */
const FORMAT = "1";

/**
 * Our transform for jiti, so that stacks name places in the source files, and a mistake has its place.
 * @param cacheDir the 0700 directory of an instance for code, besides the cache of the user
 */
export async function jitiTransform(
  cacheDir: string | undefined,
): Promise<(options: TransformOptions) => TransformResult> {
  const cache = await CodeCache.open(cacheDir);
  return ({ filename = "", ...asked }) => {
    const request = { ...asked, filename };
    const origin = ["jiti", FORMAT, JSON.stringify(request)].join("\0");
    let code = cache.read(origin);
    if (code === undefined) {
      code = makeCode(request);
      cache.write(origin, code);
    }
    // The code that jiti adds in front is then on its own line.
    rememberCode(filename, code, 1);
    return { code: `\n${code}` };
  };
}
