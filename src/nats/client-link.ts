import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import { messageOf, overlayStateError } from "../errors/index.js";
import { startTimer } from "../processes/index.js";
import type { InstanceAddress } from "./instance-address.js";
import { LastingConnection } from "./lasting-connection.js";
import { Link } from "./link.js";
import { formatFrame, parseFrame } from "./link-frame.js";
import { formatNatsServers } from "./servers.js";

/** How long a client may take to be connected to its rank, in milliseconds. */
const CONNECT_TIMEOUT_MS = 5000;

/** The time for the servers is shorter, so that some is left for the rank. */
const SERVERS_TIMEOUT_MS = 4500;

/** How often the client checks that the rank answers, in milliseconds. */
const BEAT_MS = 2000;

/** The limit of bytes under way without an acknowledgement. */
const WINDOW_BYTES = 256 * 1024;
const SEGMENT_BYTES = 64 * 1024;

/** The size of a message without its payload. */
const OVERHEAD_BYTES = 1024;

/** The time without an acknowledgement after which sent data may be lost, in milliseconds. */
const RETRY_MS = 1000;

const SERVICE_UNAVAILABLE = 503;

/**
 * The number of times in a row that the servers may find no receiver, because a new subscription does not reach all
 * servers at once.
 */
const MAX_UNHEARD = 4;

/**
 * Connects to a rank of an instance from any machine (docs/design/hosts.md §1): a stream of bytes, like a local
 * socket. The stream ends when the rank ends it, or has missed three beats.
 * @throws SluiceError `BROKER_STATE` within 5 s that names the servers: `EHOSTUNREACH` when no server answers, or the
 *   rank does not; `EACCES` for a refusal
 */
export async function connectToRank(address: InstanceAddress): Promise<Duplex> {
  const { servers, instance, rank, credentials } = address;
  const deadlineMs = performance.now() + CONNECT_TIMEOUT_MS;
  const uuid = randomBytes(8).toString("hex");
  const connection = await LastingConnection.open({
    ...credentials,
    directory: process.env["CREDENTIALS_DIRECTORY"],
    servers,
    connectTimeoutMs: SERVERS_TIMEOUT_MS,
    name: `sluice ${instance} client`,
    inboxPrefix: `_INBOX_c-${uuid}`,
  });
  const client = new RankClient(connection, { place: `sluice.${instance}.r`, rank, uuid });
  try {
    await client.opened(`rank ${rank} of instance ${instance}`, deadlineMs, formatNatsServers(servers));
    return client.link;
  } catch (error) {
    client.link.destroy();
    throw error;
  }
}

interface ClientPlace {
  /** The prefix of all subjects of ranks. */
  readonly place: string;
  readonly rank: number;
  readonly uuid: string;
}

class RankClient {
  readonly link: Link;
  readonly #connection: LastingConnection;
  #unheard = 0;
  #isOpen = false;
  #fail: (error: Error) => void = () => undefined;

  constructor(connection: LastingConnection, { place, rank, uuid }: ClientPlace) {
    this.#connection = connection;
    const own = `${place}.c-${uuid}`;
    this.link = new Link({
      self: uuid,
      peer: undefined,
      windowBytes: () => WINDOW_BYTES,
      segmentBytes: () => this.#segmentBytes(),
      retryMs: () => RETRY_MS,
      send: (frame, bytes) => {
        const reply = frame.kind === "data" || frame.kind === "ask" ? `${own}.n.${rank}` : undefined;
        connection.publish(`${place}.${rank}.c-${uuid}`, { link: formatFrame(frame) }, bytes, reply);
      },
    });
    connection.listen({
      restored: () => this.link.reconnected(),
      log: (level, text) => {
        if (level === "err") this.#fail(overlayStateError(text, "EACCES"));
      },
    });
    connection.subscribe(`${own}.>`, ({ subject, headers, data }) => {
      if (subject.startsWith(`${own}.n.`)) {
        if (headers?.code === SERVICE_UNAVAILABLE) this.#noResponders();
        return;
      }
      const frame = parseFrame(headers?.get("link") ?? "");
      // Another broker of this rank is not the broker that answered first.
      if (frame?.to !== uuid || (this.link.peer ?? frame.from) !== frame.from) return;
      this.#unheard = 0;
      this.link.receive(frame, data);
    });
    this.link.once("close", () => void connection.close());
  }

  /** Resolves when the rank has sent a message, which it does when it accepts the client. */
  opened(what: string, deadlineMs: number, servers: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (error?: Error): void => {
        timer.cancel();
        this.#fail = (later) => this.link.destroy(later);
        this.#onAbsent = () => undefined;
        if (error === undefined) resolve();
        else reject(error);
      };
      const timer = startTimer(deadlineMs - performance.now(), () => {
        settle(overlayStateError(`${what} has not answered over ${servers}`, "EHOSTUNREACH"));
      });
      this.#fail = settle;
      this.#onAbsent = () =>
        settle(overlayStateError(`${what} is not connected to ${servers}`, "EHOSTUNREACH"));
      this.link.onHeard(() => {
        if (this.#isOpen) return;
        this.#isOpen = true;
        this.link.keepAlive(BEAT_MS);
        settle();
      });
      this.link.on("error", (error) => settle(overlayStateError(messageOf(error), "EHOSTUNREACH", error)));
      this.link.greet();
    });
  }

  #onAbsent: () => void = () => undefined;

  #noResponders(): void {
    this.#unheard += 1;
    if (this.#unheard >= MAX_UNHEARD) this.#onAbsent();
    else this.link.noResponders();
  }

  #segmentBytes(): number {
    const most = this.#connection.current.info?.max_payload ?? SEGMENT_BYTES;
    return Math.min(Math.max(most - OVERHEAD_BYTES, 1), SEGMENT_BYTES);
  }
}
