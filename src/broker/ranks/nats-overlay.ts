import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import type { SluiceError } from "../../errors/index.js";
import { encodeMessage, FrameDecoder, socketChannel } from "../../messages/index.js";
import { startTimer } from "../../processes/index.js";
import type { Overlay } from "../routing/overlay.js";
import type {
  DirectListener,
  DirectTransport,
  LeafTransport,
  OwnConnection,
  RootTransport,
} from "./connection.js";
import { Leaf } from "./leaf.js";
import type { Link } from "./link.js";
import type { NatsCredentials } from "./nats-connection.js";
import { NatsNetwork } from "./nats-network.js";
import { checkInstanceName, type NatsServers } from "./nats-servers.js";
import { overlayStateError } from "./overlay-errors.js";
import {
  type AboutInstance,
  noticeMessage,
  OVERLAY_LIMITS,
  overlayProtocolError,
  readArrival,
} from "./overlay-wire.js";
import { Root } from "./root.js";

export interface NatsOverlayOptions extends NatsCredentials {
  readonly servers: NatsServers;
  /** Names the instance among all that the account has. */
  readonly instance: string;
  readonly rank: number;
  /** Number of ranks. Rank 0 needs it; another one is refused if it is not that of the instance. */
  readonly size: number | undefined;
  /** How long the first connection to a server may take, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** How long a rank waits for rank 0, in milliseconds. */
  readonly joinTimeoutMs: number;
  /** How long another broker of this rank that is silent is waited for, in milliseconds. */
  readonly silenceMs: number;
  /** After what time without an acknowledgement a hop is tried again, in milliseconds. */
  readonly retryMs: number;
  /** Ends the joining. */
  readonly signal?: AbortSignal | undefined;
}

/** An overlay that has found its instance. */
export interface NatsOverlay {
  readonly overlay: Overlay;
  readonly about: AboutInstance;
}

/**
 * Joins the ranks of an instance over NATS servers (docs/design/hosts.md §2). Each rank sends directly to each other; rank 0
 * broadcasts events, and repeats what has not arrived.
 * @throws SluiceError `BROKER_STATE`: `EHOSTUNREACH` when no server, or no rank 0, answers in time; `EACCES` when a server
 *   refuses these credentials or a subject; `EEXIST` when another broker has rank 0; `ECANCELED` when the signal was aborted; `BROKER_REQUEST` `EINVAL` for
 *   a name that is invalid
 */
export async function natsOverlay(options: NatsOverlayOptions): Promise<NatsOverlay> {
  const { instance, rank, retryMs } = options;
  checkInstanceName(instance);
  const network = await NatsNetwork.open({
    ...options,
    name: `sluice ${instance} rank ${rank}`,
    uuid: randomBytes(8).toString("hex"),
    retryMs: () => retryMs,
  });
  const refused = new Promise<never>((_resolve, reject) => {
    network.listen({
      log: (level, text) => {
        if (level === "err") reject(overlayStateError(text, "EACCES"));
      },
    });
  });
  try {
    return await Promise.race([refused, rank === 0 ? lead(network, options) : follow(network, options)]);
  } catch (error) {
    await network.close();
    throw error;
  }
}

async function lead(network: NatsNetwork, options: NatsOverlayOptions): Promise<NatsOverlay> {
  const { instance, size = 1 } = options;
  network.setSize(size);
  const holder = await network.findDouble(options.silenceMs);
  if (holder !== undefined) {
    throw overlayStateError(`rank 0 of instance ${instance} is there already: ${holder}`, "EEXIST");
  }
  if (options.signal?.aborted === true) throw closedError();
  network.answerClaims(`host ${hostname()}, pid ${process.pid}`);
  const place = { size, instanceId: instance, uuid: network.uuid };
  return {
    overlay: new Root(rootTransport(network), place),
    about: { instanceId: instance, size, config: {} },
  };
}

function rootTransport(network: NatsNetwork): RootTransport {
  const from = network.uuid;
  return {
    listen(to) {
      network.listen({
        log: (level, text) => to.log(level, text),
        accepts: (_rank, { to: named }) => named === "-",
        linked: (rank, link) => to.connected(connectionOf(link), rank),
        restored: () => to.restored(),
      });
      return Promise.resolve();
    },
    broadcast: {
      events: (batch, first) =>
        network.broadcast({ from, epoch: "1", seq: String(first) }, encodeMessage(batch, OVERLAY_LIMITS)),
      beat: (seq) => void network.broadcast({ from, epoch: "1", seq: String(seq) }),
    },
    server: () => network.server,
    close: () => network.close(),
  };
}

async function follow(network: NatsNetwork, options: NatsOverlayOptions): Promise<NatsOverlay> {
  const { rank } = options;
  const connection = connectionOf(network.open(0));
  const about = await askAbout(connection, options);
  const { instanceId } = about;
  // Rank 0 says what is wrong with either.
  const { size = about.size } = options;
  network.setSize(size);
  const place = { rank, size, instanceId, uuid: network.uuid };
  return { overlay: new Leaf(leafTransport(network, connection), place), about };
}

function askAbout({ channel }: OwnConnection, options: NatsOverlayOptions): Promise<AboutInstance> {
  const { instance, joinTimeoutMs, signal } = options;
  return new Promise((resolve, reject) => {
    const late = `rank 0 of instance ${instance} has not answered within ${joinTimeoutMs / 1000} s`;
    const timer = startTimer(joinTimeoutMs, () => reject(overlayStateError(late, "EHOSTUNREACH")));
    const settle = (done: () => void): void => {
      timer.cancel();
      done();
    };
    const cancel = (): void => settle(() => reject(closedError()));
    signal?.addEventListener("abort", cancel, { once: true });
    if (signal?.aborted === true) cancel();
    channel.onClose((cause) => settle(() => reject(cause ?? closedError())));
    channel.onMessage((message) => {
      settle(() => {
        const arrival = readArrival(message);
        if (arrival.type === "notice" && arrival.notice.kind === "about") resolve(arrival.notice);
        else reject(overlayProtocolError("expected the notice 'about' from rank 0"));
      });
    });
    channel.send(noticeMessage({ kind: "ask" }));
  });
}

function leafTransport(network: NatsNetwork, connection: OwnConnection): LeafTransport {
  return {
    connect: () => Promise.resolve(connection),
    direct: directTransport(network),
    server: () => network.server,
    close: () => network.close(),
  };
}

function directTransport(network: NatsNetwork): DirectTransport {
  /** The brokers of the ranks that are there. */
  const brokers = new Map<number, string>();
  const links = new Map<number, Link>();
  return {
    listen(to) {
      network.listen({
        log: (level, text) => to.log(level, text),
        accepts: (rank, { from }) => brokers.get(rank) === from,
        linked: (rank, link) => {
          links.set(rank, link);
          to.connected(rank, connectionOf(link));
        },
        broadcast: (header, payload) => {
          if (header("from") === brokers.get(0)) takeBroadcast(to, Number(header("seq")), payload);
        },
        restored: () => to.restored(),
      });
    },
    open(rank) {
      const link = network.open(rank, brokers.get(rank));
      links.set(rank, link);
      return connectionOf(link);
    },
    joined: (rank, uuid) => void brokers.set(rank, uuid),
    left(rank) {
      brokers.delete(rank);
      links.get(rank)?.destroy();
      links.delete(rank);
    },
  };
}

function takeBroadcast(to: DirectListener, seq: number, payload: Uint8Array): void {
  if (payload.length === 0) {
    to.beat(seq);
    return;
  }
  const decoder = new FrameDecoder(OVERLAY_LIMITS);
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  try {
    decoder.push(bytes, (message) => to.events(message));
  } catch (error) {
    to.failed(error instanceof Error ? error : new Error(String(error)));
  }
}

function connectionOf(link: Link): OwnConnection {
  return {
    channel: socketChannel(link, OVERLAY_LIMITS),
    destroy: () => link.destroy(),
    closed: new Promise((resolve) => link.once("close", () => resolve())),
    onHeard: (listener) => link.onHeard(listener),
  };
}

function closedError(): SluiceError {
  return overlayStateError("the broker was closed before it had joined", "ECANCELED");
}
