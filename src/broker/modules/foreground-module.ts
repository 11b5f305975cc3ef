import { randomUUID } from "node:crypto";
import { ERRNO, isErrnum, requestError, SluiceError } from "../../errors/index.js";
import type { RunningModule } from "../../loaders/index.js";
import {
  type Channel,
  decodePayload,
  encodePayload,
  fields,
  FLAG,
  type Message,
  MODULE_STATUS,
  openChannel,
  type RequestMessage,
  type ResponseMessage,
  ROLE,
} from "../../messages/index.js";
import { loadFailure } from "./load-failure.js";
import type { ModuleFailure } from "./module-instance.js";
import { moduleFinder } from "./module-finder.js";

/** The module to run in the foreground, and its instance. */
export interface ForegroundChoice {
  /** A file, or a bare name on the module path. */
  readonly path: string;
  /** Default: the name in the file, else the file's base name. */
  readonly name?: string | undefined;
  readonly args: readonly string[];
  readonly exec?: boolean | undefined;
  readonly loader?: string | undefined;
  /** Colon-separated. */
  readonly modulePath?: string | undefined;
  readonly insecure?: boolean | undefined;
}

/** The first matchtag of our own requests on the module's connection. A handle counts its own from 1. */
const OWN_MATCHTAG = 0xffff_fff0;

/** When this many messages are on their way to the instance, this side holds the requests of the module. */
const MOST_UNDER_WAY = 1024;

/**
 * A module that a process of the user runs as a client of an instance, to debug it (docs/design/modules.md §4). Does
 * the work of the broker for that module: sends its welcome, registers its name as a service, and handles its states.
 */
export class ForegroundModule {
  readonly name: string;
  /** Resolves when it runs. Rejects with the errors of `module.load` if it ends before. */
  readonly ready: Promise<void>;
  /** Resolves when it has ended. Rejects with its error if it failed after it ran. */
  readonly ended: Promise<void>;
  readonly #path: string;
  readonly #running: RunningModule;
  readonly #instance: Channel;
  readonly #waiting = new Map<number, (response: ResponseMessage | undefined) => void>();
  #state: "starting" | "running" | "ending" = "starting";
  #isConnected = true;
  /** Its own report of its end. */
  #reported: ModuleFailure | undefined;
  #lastMatchtag = OWN_MATCHTAG;
  #settleReady: (error?: Error) => void = () => undefined;

  /**
   * Starts a module.
   * @param uri of the instance
   * @throws SluiceError `BROKER_UNREACHABLE`; `EEXIST` if the instance has a service of that name; as finding and starting
   *   a module; `EINVAL` for a module of a library, which only a broker verifies
   */
  static async start(choice: ForegroundChoice, uri: string): Promise<ForegroundModule> {
    const { args, ...request } = choice;
    const found = await moduleFinder({ modulePath: choice.modulePath })(request);
    if (found.member !== undefined) {
      throw requestError("EINVAL", `${choice.path}: only an instance can load a module of a library`);
    }
    const instance = await openChannel(uri);
    const { name, path } = found;
    try {
      const welcome = await firstMessage(instance);
      await added(instance, name);
      const uuid = randomUUID();
      const env = { ...present(process.env), SLUICE_URI: uri };
      const running = await found.loader.start({ name, uuid, path, args, thread: "own", env });
      const said = decodePayload(welcome.payload);
      const payload = encodePayload({ ...(said as object), name, uuid, args });
      running.channel.send({ type: "control", control: "welcome", payload });
      return new ForegroundModule({ name, path }, running, instance);
    } catch (error) {
      instance.close();
      throw error;
    }
  }

  private constructor(
    { name, path }: { readonly name: string; readonly path: string },
    running: RunningModule,
    instance: Channel,
  ) {
    this.name = name;
    this.#path = path;
    this.#running = running;
    this.#instance = instance;
    this.ready = new Promise((resolve, reject) => {
      this.#settleReady = (error) => (error === undefined ? resolve() : reject(error));
    });
    // A caller that only waits for the end gets the error from `ended`.
    this.ready.catch(() => undefined);
    instance.onMessage((message) => this.#fromInstance(message));
    instance.onClose(() => {
      this.#isConnected = false;
      for (const settle of this.#waiting.values()) settle(undefined);
      this.stop();
    });
    instance.onDrain(() => {
      if (instance.underWay() < MOST_UNDER_WAY) running.channel.setFlow("resume");
    });
    running.channel.onMessage((message) => this.#fromModule(message));
    this.ended = this.#watch();
  }

  /** Requests the end of the module, as a removal does. */
  stop(): void {
    if (this.#state === "ending") return;
    const topic = `${this.name}.shutdown`;
    const credentials = { userid: process.getuid?.() ?? 0, rolemask: ROLE.owner };
    const request = {
      type: "request",
      topic,
      matchtag: 0,
      flags: FLAG.noresponse,
      nodeid: "any",
      route: [],
    } as const;
    this.#running.channel.send({ ...request, route: [], ...credentials });
  }

  /** Ends the module at once. */
  async terminate(): Promise<void> {
    await this.#running.terminate();
  }

  #fromInstance(message: Message): void {
    const settle = message.type === "response" ? this.#waiting.get(message.matchtag) : undefined;
    if (settle === undefined) this.#running.channel.send(message);
    else if (message.type === "response") settle(message);
  }

  #fromModule(message: Message): void {
    if (message.type === "request" && message.topic === "module.status") {
      void this.#report(message);
      return;
    }
    this.#instance.send(message);
    if (this.#instance.underWay() >= MOST_UNDER_WAY) this.#running.channel.setFlow("hold");
  }

  /** The part of the broker that handles a loaded module. */
  async #report(request: RequestMessage): Promise<void> {
    const { status, errnum, error, stack } = fields(decodePayload(request.payload), {
      status: "integer",
      errnum: "integer?",
      error: "string?",
      stack: "string?",
    });
    switch (status) {
      case MODULE_STATUS.running:
        this.#state = "running";
        this.#settleReady();
        break;
      case MODULE_STATUS.finalizing:
        this.#state = "ending";
        // The answer means that no more requests will come.
        await this.#removeService();
        break;
      case MODULE_STATUS.exited:
        if (errnum !== undefined && errnum !== 0) this.#reported = failure(error ?? "", errnum, stack);
    }
    if (request.matchtag !== 0) this.#running.channel.send(responseTo(request));
  }

  #removeService(): Promise<ResponseMessage | undefined> {
    if (!this.#isConnected) return Promise.resolve(undefined);
    const matchtag = ++this.#lastMatchtag;
    return new Promise((resolve) => {
      this.#waiting.set(matchtag, resolve);
      this.#instance.send(ownRequest("service.remove", this.name, matchtag));
    });
  }

  async #watch(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#running.channel.onClose(() => resolve()));
    const exit = await this.#running.exited;
    // The channel closes after the last messages of the module.
    await closed;
    this.#instance.close();
    const failed =
      this.#reported ?? (exit.kind === "ok" || exit.kind === "terminated" ? undefined : failureOf(exit));
    if (this.#state === "starting") {
      const error = loadFailure(this.name, this.#path, failed ?? { kind: "ok" });
      this.#settleReady(error);
      throw error;
    }
    if (failed !== undefined) throw loadFailure(this.name, this.#path, failed);
  }
}

function failureOf(exit: {
  readonly message: string;
  readonly errnum?: number | undefined;
  readonly stack?: string | undefined;
}) {
  return failure(exit.message, exit.errnum, exit.stack);
}

function failure(message: string, errnum: number | undefined, stack: string | undefined): ModuleFailure {
  const known = isErrnum(errnum) ? errnum : ERRNO.ECONNRESET;
  return { kind: "failed", message, errnum: known, detail: stack ?? message };
}

function firstMessage(channel: Channel): Promise<Message> {
  return new Promise((resolve, reject) => {
    channel.onMessage(resolve);
    channel.onClose((cause) => {
      reject(new SluiceError("BROKER_UNREACHABLE", "the broker closed the connection", { cause }));
    });
  });
}

/** Registers the name, so that requests to it come over the channel. */
async function added(channel: Channel, name: string): Promise<void> {
  const answered = firstMessage(channel);
  channel.send(ownRequest("service.add", name, OWN_MATCHTAG));
  const answer = await answered;
  if (answer.type !== "response" || answer.errnum === 0) return;
  throw new SluiceError("BROKER_REQUEST", answer.error ?? `cannot register the service ${name}`, {
    errnum: answer.errnum,
  });
}

function ownRequest(topic: string, name: string, matchtag: number): RequestMessage {
  return {
    type: "request",
    topic,
    matchtag,
    flags: 0,
    nodeid: "any",
    route: [],
    payload: encodePayload({ name }),
  };
}

function responseTo({ topic, matchtag, route }: RequestMessage): ResponseMessage {
  return { type: "response", topic, matchtag, errnum: 0, route };
}

function present(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
