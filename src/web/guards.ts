import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";

/** The checks of a request before the server handles it. */
export interface GuardOptions {
  /** Undefined: no token is needed, as on a unix socket that only its owner can open. */
  readonly token: string | undefined;
  /** A token for the metrics only. */
  readonly metricsToken: string | undefined;
  /** Names of the server besides the names of loopback. A name with a port is valid only with that port. */
  readonly hosts: readonly string[];
}

/** Decides which requests the server answers (docs/design/web.md §1). */
export class Guard {
  readonly #token: Secret | undefined;
  readonly #metricsToken: Secret | undefined;
  readonly #hosts: ReadonlySet<string>;

  constructor({ token, metricsToken, hosts }: GuardOptions) {
    this.#token = token === undefined ? undefined : new Secret(token);
    this.#metricsToken = metricsToken === undefined ? undefined : new Secret(metricsToken);
    this.#hosts = new Set(hosts.map((host) => host.toLowerCase()));
  }

  /** @returns why a request is refused for any purpose; undefined if it is not */
  refusal({ headers }: IncomingMessage): string | undefined {
    const { host, origin } = headers;
    if (host === undefined || !this.#isOurs(host)) return `host ${host ?? "is missing"} is not allowed`;
    if (origin === undefined) return undefined;
    const asked = /^https?:\/\/([^/]+)$/.exec(origin)?.[1];
    // A page of ours has the host of its own address, also through a proxy that encrypts.
    return asked?.toLowerCase() === host.toLowerCase() ? undefined : `origin ${origin} is not allowed`;
  }

  /** @returns why a request may not have the data that needs the token; undefined if it may */
  tokenRefusal(request: IncomingMessage): string | undefined {
    if (this.#token === undefined) return undefined;
    const given = bearerOf(request);
    if (given === undefined) return "the token is missing";
    return this.#token.is(given) ? undefined : "the token is wrong";
  }

  /** The same for the metrics, which have their own token. The page's token is valid for them too. */
  metricsRefusal(request: IncomingMessage): string | undefined {
    const given = bearerOf(request);
    if (given !== undefined && this.#metricsToken?.is(given) === true) return undefined;
    if (this.#token === undefined && this.#metricsToken !== undefined)
      return "the token of the metrics is missing";
    return this.tokenRefusal(request);
  }

  #isOurs(host: string): boolean {
    const whole = host.toLowerCase();
    const name = whole.replace(/:\d+$/, "");
    return isLoopbackName(name) || this.#hosts.has(name) || this.#hosts.has(whole);
  }
}

/** The names of a server that follow from its address. */
export function hostsOf(
  listen: { readonly kind: "unix" } | { readonly kind: "tcp"; readonly host: string },
): string[] {
  if (listen.kind === "unix" || listen.host === "0.0.0.0" || listen.host === "::") return [];
  return [listen.host, `[${listen.host}]`];
}

/** Whether only this machine has the name. A foreign name with an address of this machine does not count. */
export function isLoopbackName(name: string): boolean {
  return name === "localhost" || name.endsWith(".localhost") || name === "[::1]" || isLoopbackAddress(name);
}

export function isLoopbackAddress(address: string): boolean {
  return address === "::1" || /^127(\.\d{1,3}){3}$/.test(address);
}

function bearerOf({ headers }: IncomingMessage): string | undefined {
  return /^Bearer +(\S+)$/i.exec(headers.authorization ?? "")?.[1];
}

/** Compares in constant time, which reveals nothing about the token. */
class Secret {
  readonly #digest: Buffer;

  constructor(text: string) {
    this.#digest = digestOf(text);
  }

  is(text: string): boolean {
    return timingSafeEqual(this.#digest, digestOf(text));
  }
}

function digestOf(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
