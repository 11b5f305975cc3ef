import { Command, Option } from "commander";
import type { Event, Handle } from "../messages/index.js";
import { positiveInteger } from "./arguments.js";
import { printJson, printLine } from "./terminal/output.js";
import { readPayload } from "./payload.js";
import { untilInterrupted, withInstance, withUri } from "./session.js";

interface PubOptions {
  readonly uri?: string;
  readonly raw?: boolean;
  readonly json?: boolean;
}

interface SubOptions {
  readonly uri?: string;
  readonly count?: number;
  readonly json?: boolean;
}

export function command(): Command {
  return new Command("event")
    .addCommand(pub())
    .addCommand(sub())
    .addHelpText(
      "after",
      "\nExample:\n  sluice event sub 'heartbeat.*'\n  sluice event pub site.alarm '{\"rack\":4}'",
    );
}

function pub(): Command {
  return withUri(new Command("pub"))
    .description("publish an event")
    .argument("<topic>")
    .argument("[json]", "payload; - reads standard input")
    .option("--raw", "send the payload as raw bytes")
    .option("--json", "print {seq}")
    .addHelpText("after", "\nExample:\n  sluice event pub site.alarm '{\"rack\":4}'")
    .action(async (topic: string, json: string | undefined, options: PubOptions) => {
      const payload = readPayload(json, options.raw === true);
      await withInstance(options, async (handle) => {
        const seq = await handle.publish(topic, payload);
        if (options.json) printJson({ seq });
      });
    });
}

function sub(): Command {
  return withUri(new Command("sub"))
    .description("print events as they arrive, until interrupted")
    .argument("[topic...]", "a topic, PREFIX.*, or * (the default)")
    .addOption(new Option("-c, --count <n>", "stop after this many events").argParser(positiveInteger))
    .option("--json", "one JSON object for each event: {topic, seq, payload}")
    .addHelpText("after", "\nExample:\n  sluice event sub -c 1 heartbeat.pulse")
    .action(subscribe);
}

async function subscribe(topics: readonly string[], options: SubOptions): Promise<void> {
  await withInstance(options, (handle) =>
    untilInterrupted((signal) => printEvents(handle, topics.length === 0 ? ["*"] : topics, options, signal)),
  );
}

/** Resolves after as many events as the user asked for, or when aborted. Rejects when the instance has ended. */
function printEvents(
  handle: Handle,
  topics: readonly string[],
  { count, json }: SubOptions,
  signal: AbortSignal,
): Promise<void> {
  let left = count ?? Infinity;
  return new Promise<void>((resolve, reject) => {
    signal.addEventListener("abort", () => resolve());
    void handle.closed.then((cause) => reject(cause ?? new Error("the instance has ended")));
    const print = ({ topic, seq, payload }: Event): void => {
      if (left <= 0) return;
      left -= 1;
      const shown = payload instanceof Uint8Array ? Buffer.from(payload).toString("base64") : payload;
      if (json) printJson({ topic, seq, ...(shown !== undefined && { payload: shown }) });
      else printLine(`${seq} ${topic}${shown === undefined ? "" : ` ${JSON.stringify(shown)}`}`);
      if (left === 0) resolve();
    };
    const subscribed = topics.map((topic) => handle.subscribe(topic, print, { onEnd: reject }));
    Promise.all(subscribed).catch(reject);
  });
}
