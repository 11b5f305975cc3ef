import { lstatSync, rmSync } from "node:fs";
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer } from "node:https";
import { connect, type AddressInfo } from "node:net";
import { messageOf, SluiceError, systemMessage } from "../errors/index.js";
import type { Guard } from "./guards.js";
import { HttpError, SAFE_HEADERS, sendJson } from "./replies.js";
import { type Access, accessTo, answer, type Asked, type RouteOptions } from "./routes.js";

/** The address or socket of a server. */
export type Listen =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number };

/** The addresses of a server, and its access rules. */
export interface Reach {
  readonly listen: Listen;
  readonly guard: Guard;
  /** `/`, or a path that begins and ends with a slash. */
  readonly basePath: string;
  /** The certificate and key; undefined: no encryption. */
  readonly tls: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  /** Called for refused requests, and for errors. */
  readonly log: (text: string) => void;
}

export interface ServerOptions extends RouteOptions, Reach {}

/** The parts of a server's service. */
export interface Service {
  /** The access that a path below the base path needs; undefined for an unknown path. */
  readonly accessTo: (place: string) => Access | undefined;
  /** Answers a request that has passed the guards. */
  readonly answer: (place: string, asked: Asked) => void | Promise<void>;
}

/** A server that listens. */
export interface PageServer {
  /** The URL without the token; undefined on a unix socket. */
  readonly url: string | undefined;
  /** Ends all connections. */
  close(): Promise<void>;
}

/**
 * Serves the page.
 * @throws SluiceError `WEB_LISTEN` if it cannot listen there
 */
export function servePage(options: ServerOptions): Promise<PageServer> {
  return serveRequests(options, {
    accessTo: (place) => accessTo(place, options.files),
    answer: (place, asked) => answer(options, place, asked),
  });
}

/**
 * Serves a service, behind the guards.
 * @throws SluiceError `WEB_LISTEN` if it cannot listen there
 */
export async function serveRequests(reach: Reach, service: Service): Promise<PageServer> {
  const { listen, tls, basePath } = reach;
  // The server refuses a request without a host like one with a wrong host.
  const handle = (request: IncomingMessage, response: ServerResponse): void =>
    void serve(reach, service, request, response);
  const settings = { requireHostHeader: false };
  const server: Server =
    tls === undefined ? createHttpServer(settings, handle) : createTlsServer({ ...settings, ...tls }, handle);
  await listening(server, listen);
  return {
    url: listen.kind === "unix" ? undefined : urlOf(server, listen.host, tls !== undefined) + basePath,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function serve(
  options: Reach,
  service: Service,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  for (const [name, value] of Object.entries(SAFE_HEADERS)) response.setHeader(name, value);
  const [path = "", ...queries] = (request.url ?? "").split("?");
  try {
    const refusal = options.guard.refusal(request);
    if (refusal !== undefined) throw new HttpError(403, refusal);
    const place = placeOf(path, options.basePath);
    if (place === undefined) {
      response.setHeader("Location", options.basePath);
      throw new HttpError(308, "the path of the page ends with a slash");
    }
    const access = service.accessTo(place);
    const tokenRefusal =
      access === "page"
        ? undefined
        : access === "metrics"
          ? options.guard.metricsRefusal(request)
          : options.guard.tokenRefusal(request);
    // A client without the token must not learn which paths exist.
    if (tokenRefusal !== undefined) throw new HttpError(403, tokenRefusal);
    if (access === undefined) throw new HttpError(404, "unknown path");
    await service.answer(place, { request, response, query: new URLSearchParams(queries.join("?")) });
  } catch (error) {
    const status = error instanceof HttpError ? error.status : 500;
    // Without the part after the path, which comes from others and may be long.
    if (status === 403 || status === 500) {
      options.log(`${status} ${request.method ?? ""} ${path.slice(0, 200)}: ${messageOf(error)}`);
    }
    if (response.headersSent) response.destroy();
    else sendJson(response, { error: messageOf(error) }, status);
  }
}

/** The part of a path below the base path; undefined if only the slash at its end is missing. */
function placeOf(path: string, basePath: string): string | undefined {
  if (path.startsWith(basePath)) return path.slice(basePath.length);
  // Begins with a prefix that no path of ours has.
  return `${path}/` === basePath ? undefined : "/";
}

async function listening(server: Server, listen: Listen): Promise<void> {
  try {
    if (listen.kind === "tcp") {
      await opened(server, () => server.listen({ host: listen.host, port: listen.port }));
      return;
    }
    await removeDeadSocket(listen.path);
    // Made with this mask, because other users may open the socket as soon as it exists.
    const before = process.umask(0o177);
    try {
      await opened(server, () => server.listen(listen.path));
    } finally {
      process.umask(before);
    }
  } catch (cause) {
    const where = listen.kind === "unix" ? listen.path : `${listen.host}:${listen.port}`;
    throw new SluiceError("WEB_LISTEN", `cannot listen on ${where}: ${systemMessage(cause)}`, { cause });
  }
}

function opened(server: Server, listen: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.once("listening", resolve);
    listen();
  });
}

/**
 * Removes the socket that a killed server has left. A socket that answers is in use. No other file is ours to
 * remove.
 */
async function removeDeadSocket(path: string): Promise<void> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return;
  const isDead = await new Promise<boolean>((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(false);
    });
    socket.once("error", (error) => resolve("code" in error && error.code === "ECONNREFUSED"));
  });
  if (isDead) rmSync(path, { force: true });
}

function urlOf(server: Server, host: string, isEncrypted: boolean): string {
  const { port } = server.address() as AddressInfo;
  const name = host.includes(":") ? `[${host}]` : host;
  return `${isEncrypted ? "https" : "http"}://${name}:${port}`;
}
