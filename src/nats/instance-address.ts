import { requestError } from "../errors/index.js";
import type { NatsCredentials } from "./credentials.js";
import { checkInstanceName, type NatsServers, parseNatsServers } from "./servers.js";

/** A rank of an instance over NATS, from a URI. */
export interface InstanceAddress {
  readonly servers: NatsServers;
  readonly instance: string;
  readonly rank: number;
  readonly credentials: NatsCredentials;
}

/** The parameters of a URI that name files. */
const FILES = {
  creds: "creds",
  nkey: "nkey",
  "tls-ca": "tlsCa",
  "tls-cert": "tlsCert",
  "tls-key": "tlsKey",
} as const satisfies Readonly<Record<string, keyof NatsCredentials>>;

const ADDRESS =
  /^(?<servers>(?:nats|tls):\/\/[^?]+?)\/(?<instance>[^/?,]+)\/(?<rank>\d{1,9})(?:\?(?<files>.*))?$/;

const CLIENT = /^c-([0-9a-f]{16})$/;

/** A URI for people, without the user and the password. */
export function withoutPassword(uri: string): string {
  return uri.replace(/:\/\/[^/@]*@/g, "://");
}

/** The uuid of a client, from its place in a subject, where a rank has its number; undefined for any other place. */
export function clientOf(place: string): string | undefined {
  return CLIENT.exec(place)?.[1];
}

/**
 * Reads `nats://HOST:PORT/INSTANCE/RANK` or `tls://…` (docs/design/hosts.md §1). Commas separate several servers.
 * `?creds=FILE&nkey=FILE&tls-ca=FILE&tls-cert=FILE&tls-key=FILE` names files of credentials.
 * @throws SluiceError `BROKER_REQUEST` `EINVAL` with the problem, without a password
 */
export function parseInstanceAddress(uri: string): InstanceAddress {
  const { servers, instance, rank, files } = ADDRESS.exec(uri)?.groups ?? {};
  if (servers === undefined || instance === undefined) {
    throw requestError(
      "EINVAL",
      "the address must be nats://HOST:PORT/INSTANCE/RANK, or tls://HOST:PORT/INSTANCE/RANK",
    );
  }
  checkInstanceName(instance);
  const [scheme = ""] = /^\w+:\/\//.exec(servers) ?? [];
  // All have the scheme of the first one.
  const list = servers.split(",").map((server) => (server.includes("://") ? server : `${scheme}${server}`));
  return {
    servers: parseNatsServers(list.join(",")),
    instance,
    rank: Number(rank),
    credentials: credentialsOf(new URLSearchParams(files ?? "")),
  };
}

function credentialsOf(given: URLSearchParams): NatsCredentials {
  const names: Readonly<Record<string, keyof NatsCredentials>> = FILES;
  const unknown = [...given.keys()].filter((name) => names[name] === undefined);
  if (unknown.length > 0) {
    throw requestError(
      "EINVAL",
      `unknown parameter '${unknown.join("', '")}'; valid: ${Object.keys(FILES).join(", ")}`,
    );
  }
  if (given.has("tls-cert") !== given.has("tls-key")) {
    throw requestError("EINVAL", "tls-cert and tls-key go together");
  }
  const known = [...given].map(([name, file]): [string, string] => [names[name] ?? name, file]);
  return Object.fromEntries(known);
}
