import { once } from "node:events";
import { Command } from "commander";
import { requestError } from "../../errors/index.js";
import type { Handle } from "../../messages/index.js";
import { withInstance, withUri } from "../session.js";
import { ExitError } from "../terminal/output.js";
import { isStandardOutput, writeResultFile } from "../write-file.js";
import { Progress } from "./progress.js";

/** `sluice kvs dump`. */
export function dumpCommand(): Command {
  return withUri(new Command("dump"))
    .description("write all keys of one version as lines of JSON, while the instance runs")
    .argument("[file]", "file that appears when the dump is complete on the disk (default: standard output)")
    .addHelpText("after", "\nExample:\n  sluice kvs dump /var/backups/site.dump")
    .action(async (file: string | undefined, options: { readonly uri?: string }) => {
      await withInstance(options, async (handle) => {
        if (isStandardOutput(file)) await print(handle);
        else await dumpTo(handle, file);
      });
    });
}

/**
 * A dump that fails, or is interrupted, leaves an older one of the name as it was.
 * @throws ExitError with the path and the system's message, if the file cannot be written
 */
async function dumpTo(handle: Handle, file: string): Promise<void> {
  const interrupted = new AbortController();
  const onSignal = (_: string, number: number): void => interrupted.abort(new ExitError(128 + number, ""));
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  try {
    await writeResultFile(file, chunksOf(handle, interrupted.signal), 0o600);
  } catch (error) {
    interrupted.signal.throwIfAborted();
    throw error;
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

async function print(handle: Handle): Promise<void> {
  for await (const chunk of chunksOf(handle)) {
    if (!process.stdout.write(chunk)) await once(process.stdout, "drain");
  }
}

async function* chunksOf(handle: Handle, signal?: AbortSignal): AsyncGenerator<Uint8Array, void> {
  const progress = new Progress("dump");
  try {
    for await (const chunk of handle.rpcStream("kvs.dump", undefined, { signal })) {
      if (!(chunk instanceof Uint8Array))
        throw requestError("EPROTO", "kvs.dump answered with a payload that is not bytes");
      progress.add(chunk.length);
      yield chunk;
    }
  } finally {
    progress.end();
  }
}
