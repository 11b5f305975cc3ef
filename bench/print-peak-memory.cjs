/** Writes the greatest resident set of this process, in KiB, to descriptor 3 when it exits. */
const { writeSync } = require("node:fs");
process.on("exit", () => writeSync(3, String(process.resourceUsage().maxRSS)));
