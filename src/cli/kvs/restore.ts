import { open } from "node:fs/promises";
import { Command, Option } from "commander";
import { systemMessage } from "../../errors/index.js";
import { fields, type Handle } from "../../messages/index.js";
import { positiveInteger } from "../arguments.js";
import { withInstance, withUri } from "../session.js";
import { ExitError, printJson, say, UsageError } from "../terminal/output.js";
import { Progress } from "./progress.js";

/** The size of one read, and the number of requests under way. */
const CHUNK_BYTES = 1024 * 1024;
const REQUESTS_AHEAD = 4;

interface RestoreOptions {
  readonly uri?: string;
  readonly checkpoint?: number;
  readonly json?: boolean;
}

/** `sluice kvs restore`. */
export function restoreCommand(): Command {
  return withUri(new Command("restore"))
    .description("replace all keys by the keys of a dump or a checkpoint, in a new version")
    .argument("[file]", "a file that 'sluice kvs dump' has written; - for standard input")
    .addOption(
      new Option("--checkpoint <n>", "a number of 'sluice kvs checkpoint list'").argParser(positiveInteger),
    )
    .option("--json", "print {version}, for a file also {keys}")
    .addHelpText(
      "after",
      "\nExample:\n  sluice kvs restore /var/backups/site.dump\n  sluice kvs restore --checkpoint 3",
    )
    .action(async (file: string | undefined, options: RestoreOptions) => {
      if ((file === undefined) === (options.checkpoint === undefined)) {
        throw new UsageError("restore takes either a file or --checkpoint N");
      }
      await withInstance(options, async (handle) => {
        const restored =
          file === undefined
            ? await handle.rpc("kvs.checkpoint-restore", { number: options.checkpoint ?? 0 })
            : await restoreFrom(handle, file);
        const { version } = fields(restored, { version: "integer" });
        if (options.json) printJson(restored);
        else say(`restored as version ${version}`);
      });
    });
}

/** The bytes of a dump. */
interface Dump {
  readonly input: AsyncIterable<Buffer | string>;
  /** Unknown for standard input. */
  readonly totalBytes: number | undefined;
}

/** @throws ExitError with the path and the system's message */
async function openDump(file: string): Promise<Dump> {
  if (file === "-") return { input: process.stdin, totalBytes: undefined };
  try {
    const opened = await open(file);
    const { size } = await opened.stat();
    return {
      input: named(file, opened.createReadStream({ highWaterMark: CHUNK_BYTES })),
      totalBytes: size,
    };
  } catch (error) {
    throw unreadable(file, error);
  }
}

async function* named(file: string, stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
  try {
    yield* stream;
  } catch (error) {
    throw unreadable(file, error);
  }
}

function unreadable(file: string, error: unknown): ExitError {
  return new ExitError(1, `${file}: ${systemMessage(error)}`);
}

async function restoreFrom(handle: Handle, file: string) {
  // Opened before the KVS begins a restore, which a missing file would leave without an end.
  const { input, totalBytes } = await openDump(file);
  const { id } = fields(await handle.rpc("kvs.restore-begin"), { id: "string" });
  const progress = new Progress("restore");
  const sending = new Set<Promise<unknown>>();
  try {
    for await (const lines of wholeLines(input)) {
      const sent = handle.rpc("kvs.restore-lines", Buffer.concat([Buffer.from(`${id}\n`), lines]));
      sending.add(sent);
      sent.then(
        () => sending.delete(sent),
        () => undefined,
      );
      progress.add(lines.length, totalBytes);
      if (sending.size >= REQUESTS_AHEAD) await Promise.race(sending);
    }
    await Promise.all(sending);
  } finally {
    progress.end();
  }
  return await handle.rpc("kvs.restore-end", { id });
}

/** The data of a stream, cut at ends of lines. */
async function* wholeLines(input: AsyncIterable<Buffer | string>): AsyncGenerator<Buffer, void> {
  let parts: Buffer[] = [];
  for await (const read of input) {
    const chunk = Buffer.from(read);
    const end = chunk.lastIndexOf(0x0a);
    if (end < 0) {
      parts.push(chunk);
      continue;
    }
    yield Buffer.concat([...parts, chunk.subarray(0, end + 1)]);
    parts = [chunk.subarray(end + 1)];
  }
  const rest = Buffer.concat(parts);
  if (rest.length > 0) yield rest;
}
