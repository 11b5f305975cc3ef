import { once } from "node:events";
import { createWriteStream, renameSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { Command } from "commander";
import { requestError, SluiceError, systemMessage } from "../../errors/index.js";
import type { Handle } from "../../messages/index.js";
import { withInstance, withUri } from "../session.js";
import { ExitError } from "../terminal/output.js";
import { Progress } from "./progress.js";

/** `sluice kvs dump`. */
export function dumpCommand(): Command {
  return withUri(new Command("dump"))
    .description("write all keys of one version as lines of JSON, while the instance runs")
    .argument("[file]", "file that appears when the dump is complete on the disk (default: standard output)")
    .addHelpText("after", "\nExample:\n  sluice kvs dump /var/backups/site.dump")
    .action(async (file: string | undefined, options: { readonly uri?: string }) => {
      await withInstance(options, async (handle) => {
        if (file === undefined || file === "-") await print(handle);
        else await dumpTo(handle, file);
      });
    });
}

/**
 * A dump that fails leaves an older one of the name as it was.
 * @throws ExitError with the path and the system's message, if the file cannot be written
 */
async function dumpTo(handle: Handle, file: string): Promise<void> {
  const temporary = `${file}.${process.pid}.new`;
  try {
    await pipeline(chunksOf(handle), createWriteStream(temporary, { mode: 0o600, flags: "wx" }));
    const written = await open(temporary, "r+");
    await written.sync();
    await written.close();
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error instanceof SluiceError ? error : new ExitError(1, `${file}: ${systemMessage(error)}`);
  }
}

async function print(handle: Handle): Promise<void> {
  for await (const chunk of chunksOf(handle)) {
    if (!process.stdout.write(chunk)) await once(process.stdout, "drain");
  }
}

async function* chunksOf(handle: Handle): AsyncGenerator<Uint8Array, void> {
  const progress = new Progress("dump");
  try {
    for await (const chunk of handle.rpcStream("kvs.dump")) {
      if (!(chunk instanceof Uint8Array))
        throw requestError("EPROTO", "kvs.dump answered with a payload that is not bytes");
      progress.add(chunk.length);
      yield chunk;
    }
  } finally {
    progress.end();
  }
}
