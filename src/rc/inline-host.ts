import type { Handle } from "../messages/index.js";
import type { HostEnd, HostTalk, HostTransport } from "./connected-host.js";
import type { FromHost, ToHost } from "./host-protocol.js";
import { ScriptHost } from "./script-host.js";
import { ScriptImporter } from "./script-importer.js";

interface InlineOptions {
  /** The environment that its code gets. */
  readonly env: NodeJS.ProcessEnv;
  /** The connection of its code to the instance. */
  readonly connect: () => Promise<Handle>;
}

/**
 * A host in this process, for the rc files that come with Sluice. They never block. The start of a process
 * would take longer than their run. The runner cannot kill it. After an abort, its tasks receive the abort.
 * It no longer waits for them.
 */
export class InlineHost implements HostTransport {
  readonly name = "typescript";
  readonly ended: Promise<HostEnd>;
  readonly #host: ScriptHost;
  #isGone = false;
  #end: (end: HostEnd) => void = () => undefined;

  constructor({ env, connect }: InlineOptions, talk: HostTalk) {
    this.ended = new Promise((resolve) => (this.#end = resolve));
    let importer: ScriptImporter | undefined;
    this.#host = new ScriptHost({
      send: (message: FromHost) => {
        if (!this.#isGone) talk.receive(message);
      },
      load: (file, cacheDir, standIns) => (importer ??= new ScriptImporter(cacheDir)).import(file, standIns),
      connect,
      env,
      exit: () => this.kill(),
    });
  }

  send(message: ToHost): void {
    if (!this.#isGone) this.#host.receive(message);
  }

  kill(): void {
    this.#isGone = true;
    this.#end({ how: "ended" });
  }
}
