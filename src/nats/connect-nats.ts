import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createConnection } from "node:net";
import type * as Nats from "@nats-io/transport-node";
import type { ConnectionOptions, NatsConnection } from "@nats-io/transport-node";
import { isErrno, messageOf, overlayStateError, SluiceError } from "../errors/index.js";
import { sleep, startTimer } from "../processes/index.js";
import { withoutRemains } from "./own-sockets.js";
import { type NatsCredentials, withHandedFiles } from "./credentials.js";
import { formatNatsServers, type NatsServers } from "./servers.js";

export interface NatsConnectOptions extends NatsCredentials {
  readonly servers: NatsServers;
  /** How long the first connection may take, in milliseconds; Infinity: no limit. */
  readonly connectTimeoutMs: number;
  /** The name of the connection, for the monitoring of the servers. */
  readonly name: string;
  /** The prefix of the subjects of answers. */
  readonly inboxPrefix?: string | undefined;
  /**
   * Called after each round without a connection. It gets one line for each server with its reason, and whether a
   * server has refused.
   */
  readonly failed?: ((lines: readonly string[], isRefused: boolean) => void) | undefined;
  /** Ends the attempts. */
  readonly signal?: AbortSignal | undefined;
}

/** How long one server may take, in milliseconds. */
const SERVER_TIMEOUT_MS = 1000;

/** The time between two rounds of the first connection. */
const ROUND_PAUSE_MS = 100;

/** The time that is left for the answer when the greeting was late, in milliseconds. */
const LEAST_MS = 250;

/** The first word of a NATS server (https://docs.nats.io/reference/reference-protocols/nats-protocol). */
const GREETING = "INFO ";

/** The last part of the time is reserved for the error message. */
const REPORT_MS = 1000;

/** The first connection loads the library. */
export function natsLibrary(): typeof Nats {
  return createRequire(import.meta.url)("@nats-io/transport-node") as typeof Nats;
}

/**
 * Connects to the first server that answers. It tries all servers at the same time, so that one that is down causes
 * no delay. A lost connection closes. This does not make it again.
 * @throws SluiceError `BROKER_STATE`: `EHOSTUNREACH` when no server can be reached in time, `EACCES` when one
 * has refused. Each server has a line with the reason. `ECANCELED` when the signal was aborted
 */
export async function connectNats(options: NatsConnectOptions): Promise<NatsConnection> {
  const { servers, connectTimeoutMs } = options;
  const deadlineMs = performance.now() + connectTimeoutMs - REPORT_MS;
  for (;;) {
    const leftMs = Math.max(deadlineMs - performance.now(), ROUND_PAUSE_MS);
    const round = await tryAll(options, Math.min(leftMs, SERVER_TIMEOUT_MS));
    if (round === undefined) throw canceledError();
    if (round.connection !== undefined) return round.connection;
    const lines = round.failures.map(({ address, why }) => `${address}: ${why}`);
    const isRefused = round.failures.some(({ isRefusal }) => isRefusal);
    options.failed?.(lines, isRefused);
    // While the time is unlimited, the operator may still renew the credentials.
    const isFinal = isRefused && Number.isFinite(connectTimeoutMs);
    if (isFinal || performance.now() + ROUND_PAUSE_MS >= deadlineMs) {
      const what = servers.addresses.length === 1 ? "the NATS server" : "any NATS server";
      throw overlayStateError(
        [`cannot connect to ${what} of the overlay:`, ...lines].join("\n"),
        isRefused ? "EACCES" : "EHOSTUNREACH",
      );
    }
    await sleep(ROUND_PAUSE_MS);
  }
}

interface Failure {
  readonly address: string;
  readonly why: string;
  readonly isRefusal: boolean;
}

interface Round {
  /** The connection to the server that answered first. */
  readonly connection: NatsConnection | undefined;
  readonly failures: readonly Failure[];
}

/** Tries every server once. @returns undefined if it was aborted */
async function tryAll(options: NatsConnectOptions, timeoutMs: number): Promise<Round | undefined> {
  const { servers, signal } = options;
  // The failures, in the order of the list of servers.
  const failures: Failure[] = [];
  let isOver = false;
  const tried = new Promise<Round>((resolve) => {
    const attempts = servers.addresses.map(async (address, at) => {
      try {
        const connection = await tryOne(options, address, timeoutMs);
        if (isOver) await connection.close();
        isOver = true;
        resolve({ connection, failures });
      } catch (error) {
        failures[at] = failureOf(formatNatsServers({ ...servers, addresses: [address] }), error);
      }
    });
    void Promise.all(attempts).then(() => resolve({ connection: undefined, failures }));
  });
  const round = await unlessAborted(tried, signal);
  isOver = true;
  // A connection that opens too late must close.
  if (round === undefined) void tried.then(({ connection }) => connection?.close());
  return round;
}

/** A race with a promise that lasts for all rounds would keep the result of each round in memory. */
function unlessAborted<T>(wanted: Promise<T>, signal: AbortSignal | undefined): Promise<T | undefined> {
  return new Promise((resolve) => {
    const abort = (): void => resolve(undefined);
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted === true) abort();
    void wanted.then((value) => {
      signal?.removeEventListener("abort", abort);
      resolve(value);
    });
  });
}

async function tryOne(
  options: NatsConnectOptions,
  address: string,
  timeoutMs: number,
): Promise<NatsConnection> {
  const beganMs = performance.now();
  await waitForGreeting(address, timeoutMs);
  return await withoutRemains(() =>
    natsLibrary().connect({
      ...shared(options),
      servers: [address],
      timeout: Math.max(timeoutMs - (performance.now() - beganMs), LEAST_MS),
      reconnect: false,
      pingInterval: 2000,
      maxPingOut: 2,
    }),
  );
}

/**
 * Waits for the first message of a server. The library would leave the socket of a server that sends nothing
 * open. This process would then not end.
 */
function waitForGreeting(address: string, timeoutMs: number): Promise<void> {
  const { hostname, port } = new URL(`nats://${address}`);
  return new Promise((resolve, reject) => {
    const socket = createConnection(Number(port), hostname.replace(/^\[(.*)\]$/, "$1"));
    const timer = startTimer(timeoutMs, () => socket.destroy(new Error("no answer in time")));
    let said = "";
    socket.on("data", (chunk: Buffer) => {
      said += chunk.toString("latin1");
      if (said.length < GREETING.length) return;
      socket.destroy(said.startsWith(GREETING) ? undefined : new Error("not a NATS server"));
      if (said.startsWith(GREETING)) resolve();
    });
    socket.on("error", (error) =>
      reject(isErrno(error, "ECONNREFUSED") ? new Error("connection refused") : error),
    );
    socket.on("close", () => {
      timer.cancel();
      reject(new Error("disconnected before it sent its greeting"));
    });
  });
}

function shared(options: NatsConnectOptions): ConnectionOptions {
  const { servers, name, inboxPrefix } = options;
  const nats = natsLibrary();
  const { user, password } = servers;
  const { creds, nkey, tlsCa, tlsCert, tlsKey } = withHandedFiles(options, user !== undefined);
  const authenticator = [
    ...(user === undefined ? [] : [nats.usernamePasswordAuthenticator(user, password)]),
    ...(creds === undefined ? [] : [fileAuthenticator(creds, nats.credsAuthenticator)]),
    ...(nkey === undefined ? [] : [fileAuthenticator(nkey, nats.nkeyAuthenticator)]),
  ];
  const isTls = servers.isTls || [tlsCa, tlsCert, tlsKey].some((file) => file !== undefined);
  return {
    name,
    // Learned servers of a cluster have other names than those in their certificates.
    ignoreClusterUpdates: true,
    // An answer shows that another rank has its number, because a rank does not receive its own messages.
    noEcho: true,
    authenticator,
    ...(inboxPrefix !== undefined && { inboxPrefix }),
    ...(isTls && {
      tls: {
        ...(tlsCa !== undefined && { caFile: tlsCa }),
        ...(tlsCert !== undefined && { certFile: tlsCert }),
        ...(tlsKey !== undefined && { keyFile: tlsKey }),
      },
    }),
  };
}

type Authenticator = ReturnType<typeof Nats.nkeyAuthenticator>;

/** The operator may renew credentials at any time. This therefore reads the file at each connect. */
function fileAuthenticator(path: string, make: (seed: Uint8Array) => Authenticator): Authenticator {
  return (nonce) => make(Uint8Array.from(readFileSync(path)))(nonce);
}

function failureOf(address: string, error: unknown): Failure {
  const { AuthorizationError, UserAuthenticationExpiredError, TimeoutError } = natsLibrary().errors;
  const isRefused = error instanceof AuthorizationError || error instanceof UserAuthenticationExpiredError;
  const isRefusal = isRefused || (error instanceof SluiceError && isErrno(error, "EACCES"));
  const why =
    error instanceof TimeoutError
      ? "no answer in time"
      : isRefused
        ? `refused these credentials: ${messageOf(error)}`
        : messageOf(error);
  return { address, why, isRefusal };
}

function canceledError(): Error {
  return overlayStateError("the broker closed before it had joined", "ECANCELED");
}
