/**
 * Entry point of the process that hosts TypeScript and JavaScript rc files. Only the runner starts it, with a socket
 * on an inherited descriptor (host-protocol.ts). The build bundles it into one file, because its start is part of
 * every rc1 and rc3.
 */
import { Socket } from "node:net";
import { messageOf } from "../errors/index.js";
import { connect } from "../messages/index.js";
import { outliveSignals } from "../processes/index.js";
import { showWrittenPlaces } from "../typescript/index.js";
import { HOST_URI_VARIABLE, type FromHost, type ToHost } from "./host-protocol.js";
import { LineSplitter } from "./line-splitter.js";
import { ScriptHost } from "./script-host.js";
import { ScriptImporter } from "./script-importer.js";

main();

function main(): void {
  outliveSignals();
  showWrittenPlaces();
  const socket = inheritedSocket();
  const send = (message: FromHost, written?: () => void): boolean =>
    socket.write(`${JSON.stringify(message)}\n`, written);
  let importer: ScriptImporter | undefined;
  const host = new ScriptHost({
    send,
    load: (file, cacheDir, standIns) => (importer ??= new ScriptImporter(cacheDir)).import(file, standIns),
    connect: () => connect(),
    env: process.env,
    exit: () => process.exit(0),
  });
  const lines = new LineSplitter((line) => host.receive(JSON.parse(line) as ToHost), Infinity);
  socket.on("data", (chunk) => lines.push(chunk));
  // The runner has ended or disconnected. No process of ours may outlive it.
  socket.on("close", () => process.exit(0));
  socket.on("error", () => process.exit(0));
  captureOutput(host);
  const die = (error: unknown): void => {
    const stack = error instanceof Error ? { stack: error.stack ?? "" } : {};
    send({ op: "fatal", message: messageOf(error), ...stack }, () => process.exit(1));
  };
  process.on("uncaughtException", die);
  process.on("unhandledRejection", die);
}

function inheritedSocket(): Socket {
  const uri = process.env[HOST_URI_VARIABLE] ?? "";
  const fd = /^fd:\/\/(\d+)$/.exec(uri)?.[1];
  if (fd === undefined)
    throw new Error(`${HOST_URI_VARIABLE} names no descriptor: only sluice runs this program`);
  // Programs that tasks start must not inherit it.
  Reflect.deleteProperty(process.env, HOST_URI_VARIABLE);
  return new Socket({ fd: Number(fd), readable: true, writable: true });
}

/** Sends the output of tasks over the socket, with the name of the task. */
function captureOutput(host: ScriptHost): void {
  for (const name of ["stdout", "stderr"] as const) {
    process[name].write = (
      chunk: Uint8Array | string,
      encoding?: BufferEncoding | ((error?: Error | null) => void),
      written?: (error?: Error | null) => void,
    ): boolean => {
      const bytes = typeof chunk === "string" ? asText(chunk, encoding) : Buffer.from(chunk);
      host.output(name, bytes);
      const callback = typeof encoding === "function" ? encoding : written;
      if (callback !== undefined) process.nextTick(callback);
      // It never holds a writer back. A later `drain` would have the context of the socket, and not of the task.
      return true;
    };
  }
}

function asText(chunk: string, encoding: unknown): Buffer | string {
  return typeof encoding === "string" && encoding !== "utf8" && Buffer.isEncoding(encoding)
    ? Buffer.from(chunk, encoding)
    : chunk;
}
