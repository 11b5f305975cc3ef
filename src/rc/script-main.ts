/**
 * Entry point of the process of a foreign command `sluice-NAME.ts`: `script-main FILE [ARGS…]`. The script
 * finds its arguments in the usual place of Node. `sluice` is the library of the present command line.
 */
import { createRequire } from "node:module";
import { createJiti } from "jiti";
import { jitiTransform, showWrittenPlaces } from "../typescript/index.js";

void main();

async function main(): Promise<void> {
  process.argv.splice(1, 1);
  const [, file = ""] = process.argv;
  const library: unknown = createRequire(import.meta.url)("../index.js");
  const jiti = createJiti(import.meta.url, {
    virtualModules: { sluice: library },
    // jiti's default is a shared temporary directory, where others could leave code for this program to run.
    fsCache: false,
    transform: await jitiTransform(undefined),
  });
  showWrittenPlaces();
  await jiti.import(file);
}
