import { randomBytes } from "node:crypto";
import { overlayStateError, type SluiceError } from "../../errors/index.js";
import { FrameDecoder } from "../../messages/index.js";
import {
  checkInstanceName,
  type Link,
  type NatsConnectOptions,
  type NatsCredentials,
} from "../../nats/index.js";
import { startTimer } from "../../processes/index.js";
import type { NatsAccess, Overlay } from "../routing/overlay.js";
import type { DirectListener, DirectTransport, LeafTransport, OwnConnection } from "./connection.js";
import { MISSED_BEATS } from "./heartbeat.js";
import { KnownLeaders } from "./known-leaders.js";
import { Leaf } from "./leaf/leaf.js";
import { linkConnection as connectionOf } from "./link-connection.js";
import { type LeadingOptions, NatsLeader, takeLease } from "./nats-leader.js";
import { assignedRank } from "./nats-assignment.js";
import { NatsNetwork } from "./nats-network.js";
import {
  type AboutInstance,
  noticeMessage,
  OVERLAY_LIMITS,
  overlayProtocolError,
  readArrival,
} from "./overlay-wire.js";
import { Root } from "./root/root.js";

export interface NatsOverlayOptions extends NatsCredentials, LeadingOptions {
  /** `auto`: rank 0 assigns a free number. */
  readonly rank: number | "auto";
  /** Number of ranks. Rank 0 needs it. Rank 0 refuses any other rank whose size differs from that of the instance. */
  readonly size: number | undefined;
  /** How long the first connection to a server may take, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** The time without an acknowledgement after which a hop is tried again, in milliseconds. */
  readonly retryMs: number;
}

/** The time between two lines while no server takes the first connection. */
const REMIND_MS = 30_000;

/** An overlay that has found its instance. */
export interface NatsOverlay {
  readonly overlay: Overlay;
  readonly about: AboutInstance;
  /** This rank 0 was a standby, and another broker has led before. */
  readonly isSuccessor: boolean;
}

/**
 * Joins the ranks of an instance over NATS servers (docs/design/hosts.md §2). Each rank sends directly to each other
 * rank. Rank 0 broadcasts events, and repeats those that have not arrived.
 * @throws SluiceError `BROKER_STATE`: `EHOSTUNREACH` when no server, or no rank 0, answers in time. `EACCES`
 *   when a server refuses these credentials or a subject. `EBUSY` when no number is free. `EEXIST` when another broker has rank 0.
 *   `ECANCELED` after an abort of the signal. `BROKER_REQUEST` `EINVAL` for a name that is invalid, a bucket
 *   with other settings, or a standby where the servers have no JetStream
 */
export async function natsOverlay(options: NatsOverlayOptions): Promise<NatsOverlay> {
  const { instance, retryMs } = options;
  checkInstanceName(instance);
  const uuid = newUuid();
  const failed = firstFailures(options);
  const rank = options.rank === "auto" ? await autoRank({ ...options, failed }, uuid) : options.rank;
  const network = await NatsNetwork.open({
    ...options,
    failed,
    name: `sluice ${instance} rank ${rank}`,
    rank,
    uuid,
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

/** For a first connection without a time-out: logs why it failed, at once, at the first refusal, and every 30 s. */
function firstFailures({ connectTimeoutMs, onWaiting }: NatsOverlayOptions): NatsConnectOptions["failed"] {
  if (Number.isFinite(connectTimeoutMs)) return undefined;
  let saidAtMs = -Infinity;
  let isRefusalKnown = false;
  return (lines, isRefused) => {
    const isNews = isRefused && !isRefusalKnown;
    if (!isNews && performance.now() - saidAtMs < REMIND_MS) return;
    isRefusalKnown ||= isRefused;
    saidAtMs = performance.now();
    onWaiting?.(`no NATS server takes a connection yet: ${lines.join("; ")}`);
  };
}

function autoRank(
  options: NatsOverlayOptions & Pick<NatsConnectOptions, "failed">,
  uuid: string,
): Promise<number> {
  const { instance } = options;
  return assignedRank({ ...options, name: `sluice ${instance} rank auto`, inboxPrefix: "_INBOX_auto", uuid });
}

async function lead(network: NatsNetwork, options: NatsOverlayOptions): Promise<NatsOverlay> {
  const { instance, size = 1, silenceMs } = options;
  network.setSize(size);
  const { lease, isSuccessor } = await takeLease(network, options);
  const probeMs = silenceMs / MISSED_BEATS;
  const leader = new NatsLeader(network, lease, { size, probeMs, access: accessOf(options) });
  const place = { size, instanceId: instance, uuid: network.uuid };
  return { overlay: new Root(leader, place), about: { instanceId: instance, size, config: {} }, isSuccessor };
}

function accessOf(options: NatsOverlayOptions): NatsAccess {
  const { servers, creds, nkey, tlsCa, tlsCert, tlsKey, directory } = options;
  return { servers, credentials: { creds, nkey, tlsCa, tlsCert, tlsKey, directory } };
}

async function follow(network: NatsNetwork, options: NatsOverlayOptions): Promise<NatsOverlay> {
  const { rank } = network;
  const connection = connectionOf(network.open(0));
  const about = await askAbout(connection, options);
  const { instanceId } = about;
  // Rank 0 reports the problems of both.
  const { size = about.size } = options;
  network.setSize(size);
  const place = { rank, size, instanceId, uuid: network.uuid };
  return { overlay: new Leaf(leafTransport(network, connection), place), about, isSuccessor: false };
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
    reconnect: () => {
      network.renew(newUuid());
      return Promise.resolve({ connection: connectionOf(network.open(0)), uuid: network.uuid });
    },
    direct: directTransport(network),
    server: () => network.server,
    close: () => network.close(),
  };
}

function directTransport(network: NatsNetwork): DirectTransport {
  /** The brokers of the joined ranks. */
  const brokers = new Map<number, string>();
  const links = new Map<number, Link>();
  const leaders = new KnownLeaders(network);
  return {
    listen(to) {
      network.listen({
        log: (level, text) => to.log(level, text),
        accepts: (rank, { from }) => brokers.get(rank) === from,
        linked: (rank, link) => {
          links.set(rank, link);
          to.connected(rank, connectionOf(link));
        },
        client: (link) => to.client(link),
        broadcast: (header, payload) => {
          const from = header("from");
          switch (leaders.judge(header, to)) {
            case "same":
              if (brokers.get(0) === from) takeBroadcast(to, header, payload);
              return;
            case "next":
              links.get(0)?.destroy();
              links.delete(0);
              to.leads(from);
              return;
            case "foreign":
              return;
          }
        },
        restored: () => to.restored(),
      });
    },
    open(rank) {
      const link = network.open(rank, brokers.get(rank));
      links.set(rank, link);
      return connectionOf(link);
    },
    joined(rank, uuid) {
      brokers.set(rank, uuid);
      if (rank === 0) leaders.follows(uuid);
    },
    left(rank) {
      brokers.delete(rank);
      links.get(rank)?.destroy();
      links.delete(rank);
    },
    renew: () => {
      links.clear();
      network.renew(newUuid());
      return network.uuid;
    },
    follows: (epoch) => leaders.raise(epoch),
  };
}

function takeBroadcast(to: DirectListener, header: (name: string) => string, payload: Uint8Array): void {
  if (payload.length === 0) {
    to.beat(Number(header("seq")), header("standby") === "1");
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

function newUuid(): string {
  return randomBytes(8).toString("hex");
}

function closedError(): SluiceError {
  return overlayStateError("the broker closed before it had joined", "ECANCELED");
}
