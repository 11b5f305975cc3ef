import { randomUUID } from "node:crypto";
import { isErrno, messageOf } from "../../errors/index.js";
import { type Channel, type LogLevel, ROLE, type Welcome } from "../../messages/index.js";
import type { Clock } from "../clock.js";
import { LineLimit } from "../log/line-limit.js";
import { ownerCredentials, Peer } from "./peer.js";
import type { Router } from "./router.js";

/** The user id of guests, unknown to the system (RFC 12). */
const UNKNOWN_USERID = 0xffff_ffff;

interface ClientsOptions {
  readonly router: Router;
  readonly clock: Clock;
  readonly welcome: (client: Pick<Welcome, "name" | "uuid" | "args">, isGuest: boolean) => Welcome;
  readonly log: (level: LogLevel, text: string) => void;
}

/** Connections to one broker that are no modules: from commands and embedding programs. */
export class Clients {
  readonly #options: ClientsOptions;
  readonly #channels = new Set<Channel>();
  readonly #faults: LineLimit;
  #count = 0;

  constructor(options: ClientsOptions) {
    this.#options = options;
    const { clock, log } = options;
    this.#faults = new LineLimit(
      clock,
      (text) => log("warning", text),
      (count) => `${count} more connections sent invalid messages or broke`,
    );
  }

  /** Makes a channel a peer for as long as it is open. */
  add(channel: Channel, { isGuest, name }: { readonly isGuest: boolean; readonly name?: string }): void {
    const { router, welcome, log } = this.#options;
    if (name === undefined) this.#count += 1;
    const uuid = randomUUID();
    const peer = new Peer({
      id: uuid,
      name: name ?? `client-${this.#count}`,
      credentials: isGuest ? { userid: UNKNOWN_USERID, rolemask: ROLE.guest } : ownerCredentials(),
      deliver: (message) => channel.send(message),
      queue: channel,
      setFlow: (flow) => channel.setFlow(flow),
      share: router.fairShare.add(channel),
      fail: (error) => {
        log("err", `${peer.name} disconnected: ${messageOf(error)}`);
        channel.abort();
      },
    });
    channel.onDrain(() => router.drained(peer));
    this.#channels.add(channel);
    router.attach(peer);
    channel.onClose((cause) => {
      this.#channels.delete(channel);
      router.detach(peer);
      if (cause !== undefined && !isDeparture(cause))
        this.#faults.append(`${peer.name} disconnected: ${messageOf(cause)}`);
    });
    const payload = JSON.stringify(welcome({ name: peer.name, uuid, args: [] }, isGuest));
    channel.send({ type: "control", control: "welcome", payload });
    channel.onMessage((message) => router.receive(message, peer));
  }

  /** Number of open connections. */
  get size(): number {
    return this.#channels.size;
  }

  closeAll(): void {
    for (const channel of [...this.#channels]) channel.close();
  }
}

/** Whether the other end closed while messages were on their way to it, because it needs no more of a stream. */
function isDeparture(cause: Error): boolean {
  return isErrno(cause, "EPIPE") || isErrno(cause, "ECONNRESET");
}
