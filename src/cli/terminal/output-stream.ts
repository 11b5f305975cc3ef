import { isErrno, systemMessage } from "../../errors/index.js";
import { commandPrefix, say } from "./output.js";

let isReadRequired = true;

/**
 * Makes a command finish its work even if the reader of the output has disconnected. Commands that change things call
 * it.
 */
export function finishWithoutReader(): void {
  isReadRequired = false;
}

/**
 * Handles a standard output that takes no more data. If its reader has gone, as in `sluice … | head`, the
 * command ends quietly. It prints any other error, such as a full disk. The status is then 1.
 */
export function watchOutput(): void {
  let isBroken = false;
  process.stdout.on("error", (error) => {
    // Later writes fail as well, with other messages.
    if (isBroken) return;
    isBroken = true;
    const status = isErrno(error, "EPIPE") ? 0 : 1;
    if (status !== 0) say(`${commandPrefix()}: standard output: ${systemMessage(error)}`);
    if (isReadRequired) process.exit(status);
    process.once("exit", (code) => {
      if (code === 0) process.exitCode = status;
    });
  });
}

/** A failure to write messages must not stop a boot or a shutdown, nor make it fail. */
export function outliveListener(): void {
  process.stderr.on("error", () => {
    // The reader has gone.
  });
}
