import { fileURLToPath } from "node:url";

// This form is valid both in dist/broker and in the bundled command line next to it.
const DIRECTORY = fileURLToPath(new URL("../modules/", import.meta.url));

/** Whether a module's file came with Sluice. */
export function isShipped(path: string): boolean {
  return path.startsWith(DIRECTORY);
}
