import type { ChildProcess } from "node:child_process";
import { Socket } from "node:net";
import { messageOf, SluiceError } from "../errors/index.js";
import {
  commandEndText,
  isSuccess,
  killGroup,
  type ProcessEnd,
  processEnd,
  startProcess,
} from "../processes/index.js";
import type { HostEnd, HostTalk, HostTransport } from "./connected-host.js";
import { parseFromHost } from "./host-message.js";
import type { HostProgram } from "./host-program.js";
import { HOST_URI_VARIABLE, type ToHost } from "./host-protocol.js";
import { LineSplitter } from "./line-splitter.js";

/** The socket is the fourth of the child's descriptors. */
const SOCKET_FD = 3;

/** A host in a process group of its own, with a socket for messages that it inherits. */
export class HostProcess implements HostTransport {
  readonly name: string;
  readonly ended: Promise<HostEnd>;
  readonly #child: ChildProcess;
  readonly #socket: Socket;
  #fault: string | undefined;

  constructor(program: HostProgram, env: NodeJS.ProcessEnv, talk: HostTalk) {
    const [file, ...args] = program.command;
    this.name = program.name;
    this.#child = startProcess(file, args, {
      // The host has a process group of its own: the processes that it starts end with it. The runner handles
      // a Ctrl-C in the terminal.
      detached: true,
      stdio: ["ignore", "pipe", "pipe", "pipe"],
      realPipes: true,
      env: {
        ...env,
        ...program.env?.(env),
        FLUX_RC_USE_MODPROBE: "t",
        [HOST_URI_VARIABLE]: `fd://${SOCKET_FD}`,
      },
    });
    this.#child.stdout?.on("data", (chunk: Buffer) => talk.output.push(undefined, "stdout", chunk));
    this.#child.stderr?.on("data", (chunk: Buffer) => talk.output.push(undefined, "stderr", chunk));
    this.#socket = socketOf(this.#child);
    const lines = new LineSplitter((line) => this.#receive(line, talk), Infinity);
    this.#socket.on("data", (chunk) => lines.push(chunk));
    // The host ended during the write: its exit status explains more than this error.
    this.#socket.on("error", () => this.kill());
    this.ended = this.#watch();
  }

  send(message: ToHost): void {
    if (this.#socket.writable) this.#socket.write(`${JSON.stringify(message)}\n`);
  }

  kill(): void {
    if (this.#child.pid !== undefined) killGroup(this.#child.pid);
  }

  #receive(line: string, { receive }: HostTalk): void {
    const message = parseFromHost(line);
    if (message !== undefined) {
      receive(message);
      return;
    }
    this.#fault = "sent a line that is not a message of the protocol";
    this.kill();
  }

  async #watch(): Promise<HostEnd> {
    try {
      const end = await processEnd(this.#child);
      return { how: this.#fault ?? deathText(end) };
    } catch (cause) {
      return { how: `could not be started: ${messageOf(cause)}`, cause };
    } finally {
      this.#socket.destroy();
    }
  }
}

function deathText(end: ProcessEnd): string {
  return isSuccess(end) ? "ended" : commandEndText(end);
}

function socketOf(child: ChildProcess): Socket {
  const socket = child.stdio[SOCKET_FD];
  if (!(socket instanceof Socket)) throw new SluiceError("INTERNAL", "a host has started without its socket");
  return socket;
}
