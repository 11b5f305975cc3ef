import { stat } from "node:fs/promises";
import { isErrno } from "../errors/index.js";

/** `./x.js` stands for `x.ts` where there is no `x.js`, as the TypeScript compiler has it. */
export async function typescriptFile(path: string): Promise<string | undefined> {
  if (await isFile(path)) return /\.m?ts$/.test(path) ? path : undefined;
  const source = path.replace(/\.(m?)js$/, ".$1ts");
  return source !== path && (await isFile(source)) ? source : undefined;
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    if (isErrno(error, "ENOENT") || isErrno(error, "ENOTDIR")) return false;
    throw error;
  }
}
