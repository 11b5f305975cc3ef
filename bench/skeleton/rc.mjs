/** An rc1 or rc3 without anything in it, with the process that reads rc files. */
import { spawnSync } from "node:child_process";

spawnSync(process.execPath, ["-e", "0"]);
