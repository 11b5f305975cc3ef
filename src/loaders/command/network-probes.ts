import { lookup } from "node:dns/promises";
import { connect, type NetConnectOpts, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { isErrno, messageOf, SECRET } from "../../errors/index.js";
import type { HttpRequester } from "./http-requests.js";
import { LineMatcher } from "./line-matcher.js";

/** The outcome of an attempt: undefined for success, else the cause of the failure, in words for people. */
export type AttemptOutcome = string | undefined;

/** How much of an answer a probe reads. */
const BODY_BYTES = 1024 * 1024;

const ANY_STATUS = "200-399";

/** Whether a server accepts a connection. */
export function attemptConnection(where: NetConnectOpts, signal: AbortSignal): Promise<AttemptOutcome> {
  return new Promise((resolve) => {
    const socket = connect(where);
    const settle = (outcome: AttemptOutcome): void => {
      signal.removeEventListener("abort", abort);
      // A connection to itself must leave the port free, which only a reset does. A Unix socket has no reset.
      if (isToItself(socket)) socket.resetAndDestroy();
      else socket.destroy();
      resolve(outcome);
    };
    const abort = (): void => settle("no answer");
    signal.addEventListener("abort", abort);
    socket.once("connect", () =>
      settle(isToItself(socket) ? "no program listens on this address" : undefined),
    );
    socket.on("error", (error) => settle(reasonsOf(error)));
  });
}

/** If no program listens on a local port, the system may give that port to the connection itself. */
function isToItself({ localAddress, localPort, remoteAddress, remotePort }: Socket): boolean {
  return localPort !== undefined && localPort === remotePort && localAddress === remoteAddress;
}

/** The result for each address of a name. */
function reasonsOf(error: Error): string {
  if (error instanceof AggregateError) {
    return error.errors.map((each: unknown) => messageOf(each)).join("; ");
  }
  return error.message;
}

/** `HOST:PORT`, `[HOST]:PORT`; undefined if it is neither. */
export function hostAndPort(text: string): { host: string; port: number } | undefined {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? [];
  const number = Number(port);
  if (port === undefined || number < 1 || number > 65_535) return undefined;
  return { host: bracketed ?? (plain === "" ? "127.0.0.1" : (plain ?? "")), port: number };
}

/** The conditions of an HTTP probe for an answer. */
export interface HttpWish {
  readonly url: string;
  /** `200`, `200-399`, or several of these with commas. */
  readonly status?: string | undefined;
  /** A regular expression. */
  readonly body?: string | undefined;
}

/**
 * Whether a URL gives the expected status and body. It uses a connection of its own, follows no redirect, and ignores
 * variables for proxies.
 */
export async function attemptHttp(wish: HttpWish, signal: AbortSignal): Promise<AttemptOutcome> {
  const { requesterOf } = await import("./http-requests.js");
  const answer = await getOnce(requesterOf(wish.url), wish, signal);
  const url = shownUrl(wish.url);
  if (typeof answer === "string") return `GET ${url}: ${answer}`;
  const wanted = wish.status ?? ANY_STATUS;
  if (!isStatusIn(answer.status, wanted)) return `GET ${url}: status ${answer.status}, not ${wanted}`;
  if (wish.body === undefined) return undefined;
  switch (new LineMatcher(wish.body).test([answer.body])) {
    case "match":
      return undefined;
    case "none":
      return `GET ${url}: its body does not match ${wish.body}`;
    case "too slow":
      return `GET ${url}: matching its body against ${wish.body} takes too long`;
  }
}

/** A URL for messages, without the user and password in it. */
export function shownUrl(url: string): string {
  return url.replace(/(?<=\/\/)[^/?#]*(?=@)/, SECRET);
}

interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

function getOnce(
  get: HttpRequester,
  { url, body }: HttpWish,
  signal: AbortSignal,
): Promise<HttpAnswer | string> {
  return new Promise((resolve) => {
    const request = get(url, { agent: false, headers: { connection: "close" }, signal }, (response) => {
      const status = response.statusCode ?? 0;
      if (body === undefined) {
        response.destroy();
        resolve({ status, body: "" });
        return;
      }
      const parts: Buffer[] = [];
      let length = 0;
      const finish = (): void => {
        resolve({ status, body: Buffer.concat(parts).toString("utf8") });
        response.destroy();
      };
      response.on("data", (chunk: Buffer) => {
        parts.push(chunk);
        if ((length += chunk.length) >= BODY_BYTES) finish();
      });
      response.on("end", finish);
      response.on("error", (error) => resolve(error.message));
    });
    request.on("error", (error) => resolve(signal.aborted ? "no answer" : reasonsOf(error)));
    request.end();
  });
}

function isStatusIn(status: number, wanted: string): boolean {
  return wanted.split(",").some((range) => {
    const [low, high = low] = range.trim().split("-").map(Number);
    return low !== undefined && high !== undefined && status >= low && status <= high;
  });
}

/** Whether a host is this machine. */
export async function isThisMachine(host: string): Promise<boolean> {
  try {
    const own = new Set(
      Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address)),
    );
    const addresses = await lookup(host, { all: true });
    return addresses.some(
      ({ address }) =>
        own.has(address) || address === "0.0.0.0" || address === "::" || /^127\./.test(address),
    );
  } catch (error) {
    if (isErrno(error, "EAGAIN") || (error instanceof Error && "syscall" in error)) return false;
    throw error;
  }
}
