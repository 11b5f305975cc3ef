import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** What the buffers of this process hold after a collection, in bytes. Some of what is free goes a little later. */
export function heldBytes(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  return process.memoryUsage().arrayBuffers;
}
