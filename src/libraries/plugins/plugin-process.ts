import { randomUUID } from "node:crypto";
import { ERRNO, requestError, SluiceError } from "../../errors/index.js";
import type { ModuleExit, RunningModule } from "../../loaders/index.js";
import {
  decodePayload,
  encodePayload,
  fields,
  FLAG,
  type JsonValue,
  type Limits,
  type Message,
  MODULE_STATUS,
  type RequestMessage,
  type ResponseMessage,
  ROLE,
  watchLimits,
  type Welcome,
} from "../../messages/index.js";
import { startTimer } from "../../processes/index.js";

/** How long a plug-in may take to end by itself. */
const UNLOAD_MS = 5000;

const OWNER = { userid: 0, rolemask: ROLE.owner } as const;

interface Call {
  readonly symbol: string;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: SluiceError) => void;
}

/** A plug-in in its own process, called by messages. A crash of it is only an error here. */
export class PluginProcess {
  readonly #name: string;
  readonly #running: RunningModule;
  readonly #calls = new Map<number, Call>();
  #lastMatchtag = 0;
  /** Undefined until it runs. */
  #methods: readonly string[] | undefined;
  /** The reason why it no longer answers. */
  #end: SluiceError | undefined;
  #settleReady: () => void = () => undefined;

  constructor(name: string, running: RunningModule) {
    this.#name = name;
    this.#running = running;
    const welcome: Welcome = { name, uuid: randomUUID(), rank: 0, size: 1, args: [], attrs: {}, conf: {} };
    const { channel } = running;
    channel.send({ type: "control", control: "welcome", payload: JSON.stringify(welcome) });
    channel.onMessage((message) => this.#receive(message));
    void running.exited.then((exit) => this.#ended(exit));
  }

  /**
   * Resolves to the methods that it reports when it runs.
   * @throws SluiceError `LOAD_PLUGIN` with its own error, or if it does not run in time
   */
  async ready(limits: Limits & { readonly timeoutMs: number }): Promise<readonly string[]> {
    const stopWatching = watchLimits("loading", limits, ({ errnum = ERRNO.ECANCELED }) => {
      const isLate = errnum === ERRNO.ETIMEDOUT;
      const text = isLate ? `does not run within ${limits.timeoutMs / 1000} s` : "the loading was cancelled";
      this.#end ??= pluginError("LOAD_PLUGIN", this.#name, text, errnum);
      this.#settleReady();
    });
    await new Promise<void>((resolve) => {
      this.#settleReady = resolve;
      if (this.#end !== undefined || this.#methods !== undefined) resolve();
    });
    stopWatching();
    if (this.#end === undefined) return this.#methods ?? [];
    await this.#running.terminate();
    throw new SluiceError("LOAD_PLUGIN", this.#end.message, { errnum: this.#end.errnum, cause: this.#end });
  }

  /** @throws SluiceError `PLUGIN_FAILED` with the plug-in's name: its own error, or `ECONNRESET` if it ends meanwhile */
  call(symbol: string, args: readonly unknown[]): Promise<unknown> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    const matchtag = ++this.#lastMatchtag;
    return new Promise((resolve, reject) => {
      this.#calls.set(matchtag, { symbol, resolve, reject });
      try {
        this.#request(symbol, { args: args as readonly JsonValue[] as JsonValue }, matchtag);
      } catch (cause) {
        this.#calls.delete(matchtag);
        reject(cause instanceof Error ? cause : new Error(String(cause)));
      }
    });
  }

  /** Requests its end, and kills it if it does not end. */
  async unload(): Promise<void> {
    this.#end ??= pluginError("PLUGIN_FAILED", this.#name, "is unloaded", ERRNO.ECANCELED);
    this.#request("shutdown", undefined, 0);
    const timer = startTimer(UNLOAD_MS, () => void this.#running.terminate());
    await this.#running.exited;
    timer.cancel();
    this.#failAll();
  }

  #request(method: string, payload: JsonValue | undefined, matchtag: number): void {
    const flags = matchtag === 0 ? FLAG.noresponse : 0;
    const topic = `${this.#name}.${method}`;
    const message: RequestMessage = {
      type: "request",
      topic,
      matchtag,
      flags,
      nodeid: "any",
      route: [],
      ...OWNER,
    };
    this.#running.channel.send(
      payload === undefined ? message : { ...message, payload: encodePayload(payload) },
    );
  }

  #receive(message: Message): void {
    if (message.type === "response") this.#answered(message);
    if (message.type !== "request") return;
    const error = this.#serve(message);
    if ((message.flags & FLAG.noresponse) !== 0) return;
    const { topic, matchtag, route } = message;
    const failure =
      error === undefined ? { errnum: 0 } : { errnum: error.errnum ?? ERRNO.EIO, error: error.message };
    this.#running.channel.send({ type: "response", topic, matchtag, route, ...OWNER, ...failure });
  }

  /** Answers the requests of the module to its missing broker. */
  #serve({ topic, payload }: RequestMessage): SluiceError | undefined {
    switch (topic) {
      case "module.status": {
        const report = fields(decodePayload(payload), {
          status: "integer",
          methods: "string[]?",
          error: "string?",
          errnum: "integer?",
        });
        if (report.status === MODULE_STATUS.running) this.#methods = report.methods ?? [];
        if (report.status === MODULE_STATUS.exited && report.error !== undefined) {
          this.#end ??= pluginError("PLUGIN_FAILED", this.#name, report.error, report.errnum);
        }
        this.#settleReady();
        return undefined;
      }
      case "event.subscribe":
      case "event.unsubscribe":
      case "log.append":
        return undefined;
      default:
        return requestError("ENOSYS", `${topic}: a plug-in has no instance`);
    }
  }

  #answered({ matchtag, errnum, error, payload }: ResponseMessage): void {
    const call = this.#calls.get(matchtag);
    this.#calls.delete(matchtag);
    if (call === undefined) return;
    if (errnum !== 0) {
      call.reject(pluginError("PLUGIN_FAILED", `${this.#name}.${call.symbol}`, error ?? "failed", errnum));
      return;
    }
    try {
      call.resolve(fields(decodePayload(payload), { result: "json" }).result);
    } catch (cause) {
      call.reject(
        pluginError(
          "PLUGIN_FAILED",
          `${this.#name}.${call.symbol}`,
          "answers without a result",
          ERRNO.EPROTO,
          cause,
        ),
      );
    }
  }

  #ended(exit: ModuleExit): void {
    this.#end ??= pluginError("PLUGIN_FAILED", this.#name, endText(exit), ERRNO.ECONNRESET);
    this.#settleReady();
    this.#failAll();
  }

  #failAll(): void {
    const end = this.#end;
    if (end === undefined) return;
    for (const { reject } of this.#calls.values()) reject(end);
    this.#calls.clear();
  }
}

/** The error of a plug-in, which names it. */
export function pluginError(
  code: "LOAD_PLUGIN" | "PLUGIN_FAILED",
  name: string,
  text: string,
  errnum: number = ERRNO.EIO,
  cause?: unknown,
): SluiceError {
  return new SluiceError(code, `${name}: ${text}`, { errnum, cause });
}

function endText(exit: ModuleExit): string {
  switch (exit.kind) {
    case "ok":
      return "has ended";
    case "terminated":
      return "was ended";
    case "error":
    case "stuck":
    case "died":
      return exit.message;
  }
}
