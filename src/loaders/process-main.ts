/**
 * The code of the processes of the process loader: hosts one module, over the wire form on an inherited descriptor.
 * The build bundles it into one file, because each module waits for its start-up.
 */
import { readFileSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import { inspect } from "node:util";
import { ERRNO, errnumOf, messageOf, stackOf } from "../errors/index.js";
import {
  type Channel,
  encodeMessage,
  FLAG,
  MODULE_STATUS,
  type RequestMessage,
  runModuleMain,
  socketChannel,
  WIRE_LIMITS,
} from "../messages/index.js";
import { outliveSignals } from "../processes/index.js";
import { describeFile } from "./describe-file.js";
import { entryOf } from "./entry-of.js";
import { showWrittenPlaces } from "../typescript/stack-places.js";
import { isWasi, type ProcessSetup } from "./process-protocol.js";
import { runWasi } from "./wasi-host.js";

const STDIN_FD = 0;
const REPORT_FD = 3;

async function main(): Promise<void> {
  outliveSignals();
  showWrittenPlaces();
  const setup = JSON.parse(readFileSync(STDIN_FD, "utf8")) as ProcessSetup;
  if (setup.describe !== undefined) {
    writeSync(REPORT_FD, JSON.stringify(await describeFile(setup.file, setup.setup, setup.describe)));
    process.exit(0);
  }
  const fd = takeChannel();
  if (isWasi(setup.file.path)) await hostWasi(setup, fd);
  else await hostScript(setup, fd);
}

async function hostScript({ file, setup, ...limits }: ProcessSetup, fd: number): Promise<void> {
  const { maxPayloadBytes: payloadBytes = WIRE_LIMITS.payloadBytes } = limits;
  const socket = new Socket({ fd, readable: true, writable: true });
  const channel = socketChannel(socket, { ...WIRE_LIMITS, payloadBytes });
  let status = 1;
  // The channel closes at the end of the module, and when the broker has gone. After that, no message can reach the
  // module.
  socket.once("close", () => process.exit(status));
  reportUncaught(channel);
  // When a module ends the process, this still sends its last messages: the close writes those that wait, as far as
  // the system takes them.
  process.once("exit", () => channel.close());
  // For a plug-in the required methods are known. The host reports whether they exist.
  const reporting = file.plugin ?? file.member;
  const outcome = await runModuleMain(channel, () => entryOf(file, setup), reporting);
  if (outcome.kind === "ok") status = 0;
}

/** The program alone uses the channel, until it has ended. */
async function hostWasi({ file }: ProcessSetup, fd: number): Promise<void> {
  try {
    process.exitCode = await runWasi(file.path, fd);
  } catch (error) {
    writeSync(fd, encodeMessage(exitReport(error)));
    process.exitCode = 1;
  }
}

/**
 * The descriptor of the channel. Programs that the module starts must not find it, neither by number nor by name.
 */
function takeChannel(): number {
  const uri = process.env["SLUICE_MODULE_URI"];
  const fd = /^fd:\/\/(\d+)$/.exec(uri ?? "")?.[1];
  if (fd === undefined) throw new Error(`SLUICE_MODULE_URI must be fd://N, it is ${uri ?? "not set"}`);
  delete process.env["SLUICE_MODULE_URI"];
  return Number(fd);
}

/** An uncaught error ends the module, as the module's own error. */
function reportUncaught(channel: Channel): void {
  let isReported = false;
  process.on("uncaughtException", (error: unknown) => {
    if (isReported) {
      process.stderr.write(`${inspect(error)}\n`);
      return;
    }
    isReported = true;
    channel.send(exitReport(error));
    channel.close();
  });
}

/** The report of a module's end with its own error. */
function exitReport(error: unknown): RequestMessage {
  const stack = stackOf(error);
  const report = {
    status: MODULE_STATUS.exited,
    errnum: errnumOf(error) ?? ERRNO.ECONNRESET,
    error: messageOf(error),
    ...(stack !== undefined && { stack }),
  };
  return {
    type: "request",
    topic: "module.status",
    matchtag: 0,
    flags: FLAG.noresponse,
    nodeid: "any",
    route: [],
    payload: JSON.stringify(report),
  };
}

void main();
