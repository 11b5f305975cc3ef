import { Command, Option } from "commander";
import type { Payload } from "../messages/index.js";
import { seconds, wholeNumber } from "./arguments.js";
import { printJson } from "./terminal/output.js";
import { readPayload } from "./payload.js";
import { withInstance, withUri } from "./session.js";

interface RpcCommandOptions {
  readonly uri?: string;
  readonly rank?: number;
  readonly timeout?: number;
  readonly stream?: boolean;
  readonly raw?: boolean;
}

export function command(): Command {
  return withUri(new Command("rpc"))
    .argument("<topic>", "SERVICE.METHOD")
    .argument("[json]", "payload; - reads standard input")
    .addOption(new Option("-r, --rank <rank>", "send the request to this rank").argParser(wholeNumber))
    .addOption(new Option("-t, --timeout <seconds>", "fail after this time").argParser(seconds))
    .option("--stream", "print every response of a streaming request")
    .option("--raw", "send the payload as raw bytes")
    .addHelpText("after", '\nExample:\n  sluice rpc kvs.get \'{"key":"a"}\'')
    .action(rpc);
}

async function rpc(topic: string, json: string | undefined, options: RpcCommandOptions): Promise<void> {
  const payload = readPayload(json, options.raw === true);
  const { timeout, rank } = options;
  const rpcOptions = {
    ...(timeout !== undefined && { timeoutMs: timeout * 1000 }),
    ...(rank !== undefined && { rank }),
  };
  await withInstance(options, async (handle) => {
    if (!options.stream) {
      printPayload(await handle.rpc(topic, payload, rpcOptions));
      return;
    }
    for await (const response of handle.rpcStream(topic, payload, rpcOptions)) printPayload(response);
  });
}

/** Raw bytes go out unchanged, so that a pipe can pass them on. */
function printPayload(payload: Payload): void {
  if (payload === undefined) return;
  if (payload instanceof Uint8Array) process.stdout.write(payload);
  else printJson(payload);
}
