import { once } from "node:events";
import { createWriteStream, renameSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import type { Writable } from "node:stream";
import { Command } from "commander";
import { requestError } from "../../errors/index.js";
import type { Handle } from "../../messages/index.js";
import { withInstance, withUri } from "../session.js";
import { Progress } from "./progress.js";

/** `sluice kvs dump`. */
export function dumpCommand(): Command {
  return withUri(new Command("dump"))
    .description("write all keys of one version as lines of JSON, while the instance runs")
    .argument("[file]", "appears when the dump is complete on the disk (default: standard output)")
    .addHelpText("after", "\nExample:\n  sluice kvs dump /var/backups/site.dump")
    .action(async (file: string | undefined, options: { readonly uri?: string }) => {
      await withInstance(options, async (handle) => {
        if (file === undefined || file === "-") await write(handle, process.stdout);
        else await dumpTo(handle, file);
      });
    });
}

/** If a dump fails, an older dump of the same name does not change. */
async function dumpTo(handle: Handle, file: string): Promise<void> {
  const temporary = `${file}.${process.pid}.new`;
  const stream = createWriteStream(temporary, { mode: 0o600, flags: "wx" });
  try {
    await once(stream, "open");
    await write(handle, stream);
    stream.end();
    await once(stream, "close");
    const written = await open(temporary, "r+");
    await written.sync();
    await written.close();
    renameSync(temporary, file);
  } catch (error) {
    stream.destroy();
    rmSync(temporary, { force: true });
    throw error;
  }
}

async function write(handle: Handle, stream: Writable): Promise<void> {
  const progress = new Progress("dump");
  try {
    for await (const chunk of handle.rpcStream("kvs.dump")) {
      if (!(chunk instanceof Uint8Array))
        throw requestError("EPROTO", "kvs.dump answered with a payload that is not bytes");
      progress.add(chunk.length);
      if (!stream.write(chunk)) await once(stream, "drain");
    }
  } finally {
    progress.end();
  }
}
