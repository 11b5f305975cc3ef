import { type ErrnoName, errnoName, errnumOf, messageOf, SluiceError } from "../errors/index.js";
import {
  breachesOf,
  type Contract,
  differencesFrom,
  type Exchange,
  type ExchangeStep,
  type Expected,
  type Method,
  type Shape,
} from "../libraries/index.js";
import type { Handle, JsonValue, Payload } from "../messages/index.js";
import { runModule, type RunModuleOptions } from "./run-module.js";

/** A difference between a module and the contract of its kind. */
export interface Breach {
  /** The recorded exchange; undefined: before all of them. */
  readonly exchange: string | undefined;
  /** Number of its step, from 1. */
  readonly step: number | undefined;
  readonly method: string;
  /** The field and its problem. */
  readonly message: string;
}

interface CertifyOptions extends RunModuleOptions {
  /** How long an answer may take. Default: 5000. */
  readonly answerMs?: number | undefined;
}

/** The result of a request: an answer, or an error. */
type Outcome =
  | { readonly kind: "response"; readonly value: Payload }
  | { readonly kind: "error"; readonly errno: ErrnoName | undefined; readonly message: string };

/**
 * Replays the recorded exchanges of a kind, each with a new run of the module by itself (docs/design/modules.md §6).
 * @param path a file, or a bare name on the module path; `#NAME` after it is a module of a library
 * @returns all breaches; for each exchange, those up to its first failed step
 * @throws SluiceError the module's own error if it does not start
 */
export async function certifyModule(
  path: string,
  contract: Contract,
  { answerMs = 5000, ...options }: CertifyOptions = {},
): Promise<Breach[]> {
  const breaches: Breach[] = [];
  for (const exchange of contract.exchanges) {
    const module = await runModule(path, { ...options, before: (handle) => servePeers(handle, contract) });
    try {
      const replay = new Replay(module.handle, module.name, contract, answerMs);
      breaches.push(...(await replay.run(exchange)));
    } finally {
      // Its breaches are already recorded.
      await module.close({ timeoutMs: answerMs }).catch(() => undefined);
    }
  }
  return breaches;
}

/** Answers the requests of the module to other services with the recorded answers. */
async function servePeers(handle: Handle, { peers }: Contract): Promise<void> {
  const methods = new Set<string>();
  const services = new Set<string>();
  for (const topic of peers.keys()) {
    const dot = topic.lastIndexOf(".");
    services.add(topic.slice(0, dot));
    methods.add(topic.slice(dot + 1));
  }
  for (const method of methods) {
    handle.handle(method, ({ topic }) => {
      const answer = peers.get(topic);
      if (answer === undefined)
        throw new SluiceError("BROKER_REQUEST", `the contract has no recorded answer to ${topic}`);
      return answer;
    });
  }
  for (const service of services) await handle.registerService(service);
}

class Replay {
  readonly #handle: Handle;
  readonly #name: string;
  readonly #contract: Contract;
  readonly #answerMs: number;

  constructor(handle: Handle, name: string, contract: Contract, answerMs: number) {
    this.#handle = handle;
    this.#name = name;
    this.#contract = contract;
    this.#answerMs = answerMs;
  }

  async run({ name, steps }: Exchange): Promise<Breach[]> {
    const open = new Map<string, { method: string; outcome: Promise<Outcome>; isSettled: boolean }>();
    for (const [at, step] of steps.entries()) {
      const breach = (method: string, message: string): Breach => ({
        exchange: name,
        step: at + 1,
        method,
        message,
      });
      if (step.kind === "open") {
        const one = { method: step.method, outcome: this.#ask(step), isSettled: false };
        void one.outcome.then(() => (one.isSettled = true));
        open.set(step.as, one);
        continue;
      }
      const waiting = "as" in step ? open.get(step.as) : undefined;
      const method = waiting?.method ?? ("method" in step ? step.method : "");
      let messages: readonly string[] = [];
      if (step.kind === "waits") {
        // A ping after these waits behind the effects of the request in the module's queue.
        for (let turn = 0; turn < 3; turn++) await this.#handle.rpc(`${this.#name}.ping`);
        if (waiting?.isSettled === true)
          messages = ["response: the module answered at once, but had to wait"];
      } else if (step.kind === "request") {
        messages = this.#judge(method, await this.#ask(step), step.expected);
      } else if (waiting !== undefined) messages = this.#judge(method, await waiting.outcome, step.expected);
      if (messages.length > 0) return messages.map((message) => breach(method, message));
    }
    return [];
  }

  async #ask({ method, payload }: ExchangeStep & { method: string; payload: JsonValue }): Promise<Outcome> {
    try {
      const { request } = this.#methodOf(method);
      const asked: Payload = isBytes(request) && typeof payload === "string" ? fromBase64(payload) : payload;
      const value = await this.#handle.rpc(`${this.#name}.${method}`, asked ?? undefined, {
        timeoutMs: this.#answerMs,
      });
      return { kind: "response", value };
    } catch (error) {
      return { kind: "error", errno: errnoName(errnumOf(error) ?? 0), message: messageOf(error) };
    }
  }

  #judge(method: string, outcome: Outcome, expected: Expected): readonly string[] {
    if (outcome.kind === "error") {
      const { errno = "no errno", message } = outcome;
      if (expected.kind === "error" && expected.errno === errno) return [];
      const wanted = expected.kind === "error" ? expected.errno : "a response";
      return [`error: must be ${wanted}, not ${errno}: ${message}`];
    }
    if (expected.kind === "error") return [`error: must be ${expected.errno}, but the request succeeded`];
    const { response: shape } = this.#methodOf(method);
    const value = jsonOf(outcome.value, shape);
    if (value === undefined) {
      const [wanted, given] = isBytes(shape) ? ["raw bytes", "JSON"] : ["JSON", "raw bytes"];
      return [`payload: must be ${wanted}, not ${given}`];
    }
    const breaches = breachesOf(value, shape);
    return breaches.length > 0 ? breaches : differencesFrom(expected.value, value);
  }

  #methodOf(name: string): Pick<Method, "request" | "response"> {
    return this.#contract.methods.get(name) ?? { request: {}, response: {} };
  }
}

function isBytes({ contentEncoding }: Shape): boolean {
  return contentEncoding === "base64";
}

function fromBase64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "base64"));
}

/** The answer in the form of a contract; undefined for raw bytes in place of JSON, or the reverse. */
function jsonOf(value: Payload, shape: Shape): JsonValue | undefined {
  if (!isBytes(shape)) return value instanceof Uint8Array ? undefined : (value ?? null);
  // A missing payload counts as no bytes.
  const bytes = value ?? new Uint8Array();
  return bytes instanceof Uint8Array ? Buffer.from(bytes).toString("base64") : undefined;
}
