import type { ModuleFinder } from "../../../src/broker/index.js";
import { ERRNO } from "../../../src/errors/index.js";
import type { ModuleExit, ModuleLoader } from "../../../src/loaders/index.js";
import { type Channel, channelPair, FLAG, type RequestMessage } from "../../../src/messages/index.js";

/**
 * Modules that speak the protocol by hand. The first one reads no request but `shutdown`, and refuses the others when
 * it ends; each later one answers with what it is sent.
 */
export class LazyLoader implements ModuleLoader {
  readonly name = "thread";
  readonly suffixes = [];
  /** Payloads that a later instance has answered, in order. */
  readonly read: string[] = [];
  readonly #arrived: string[] = [];
  readonly #waiting = new Set<() => void>();
  #starts = 0;

  readonly find: ModuleFinder = () => Promise.resolve({ path: "/mem/rec", name: "rec", loader: this });

  start() {
    this.#starts += 1;
    const [ours, theirs] = channelPair();
    const exited = this.#starts === 1 ? this.#beLazy(theirs) : this.#echo(theirs);
    return Promise.resolve({
      channel: ours,
      exited,
      terminate: async (): Promise<void> => {
        theirs.close();
        await exited;
      },
    });
  }

  /** Resolves when so many requests of a topic lie before the first instance. */
  received(topic: string, count: number): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (this.#arrived.filter((arrived) => arrived === topic).length >= count) resolve();
      };
      this.#waiting.add(check);
      check();
    });
  }

  #beLazy(channel: Channel): Promise<ModuleExit> {
    const unread: RequestMessage[] = [];
    return new Promise((resolve) => {
      channel.onClose(() => resolve({ kind: "ok" }));
      channel.onMessage((message) => {
        if (message.type === "control") report(channel, 1);
        if (message.type === "response" && message.matchtag === 2) {
          for (const { topic, matchtag, route } of unread) {
            channel.send({ type: "response", topic, matchtag, route, errnum: ERRNO.ENOSYS });
          }
          report(channel, 3);
          channel.close();
        }
        if (message.type !== "request") return;
        if (message.topic === "rec.shutdown") report(channel, 2);
        else unread.push(message);
        this.#arrived.push(message.topic);
        for (const check of this.#waiting) check();
      });
    });
  }

  #echo(channel: Channel): Promise<ModuleExit> {
    return new Promise((resolve) => {
      channel.onClose(() => resolve({ kind: "ok" }));
      channel.onMessage((message) => {
        if (message.type === "control") report(channel, 1);
        if (message.type !== "request" || message.topic !== "rec.put") return;
        const { topic, matchtag, route, payload } = message;
        const text = String(payload);
        this.read.push(text);
        channel.send({ type: "response", topic, matchtag, route, errnum: 0, payload: JSON.stringify(text) });
      });
    });
  }
}

function report(channel: Channel, status: number): void {
  channel.send({
    type: "request",
    topic: "module.status",
    matchtag: status,
    flags: status === 3 ? FLAG.noresponse : 0,
    nodeid: "any",
    route: [],
    payload: JSON.stringify({ status }),
  });
}
