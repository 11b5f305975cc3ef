import { isIP } from "node:net";
import { requestError } from "../errors/index.js";

/** The NATS servers that join the ranks of an instance, from `--overlay`. */
export interface NatsServers {
  /** For example `n1:4222`, in the order given. */
  readonly addresses: readonly string[];
  readonly isTls: boolean;
  readonly user: string | undefined;
  readonly password: string | undefined;
}

const DEFAULT_PORT = "4222";

/** Names an instance in subjects and buckets. */
const INSTANCE_NAME = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * Reads a list such as `nats://n1:4222,nats://n2:4222` (docs/design/hosts.md §1). The scheme is `nats` or `tls`. A
 * user with a password may come before the first host.
 * @throws SluiceError `BROKER_REQUEST` `EINVAL` that names every entry which is invalid, and why, without its password
 */
export function parseNatsServers(text: string): NatsServers {
  const problems: string[] = [];
  const urls = text.split(",").flatMap((entry) => {
    const url = parseUrl(entry.trim(), problems);
    return url === undefined ? [] : [url];
  });
  const isTls = urls.some(({ protocol }) => protocol === "tls:");
  for (const { hostname, protocol } of urls) {
    if (isTls && protocol !== "tls:")
      problems.push(`${hostname}: all servers must be tls://, because some are`);
    if (isTls && isIP(bareHost(hostname)) !== 0) {
      problems.push(
        `${hostname}: TLS cannot check an address; use the host name in the certificate of the server`,
      );
    }
  }
  if (problems.length > 0) throw requestError("EINVAL", `overlay: ${problems.join("; ")}`);
  const named = urls.find(({ username }) => username !== "");
  return {
    addresses: urls.map(({ hostname, port }) => `${hostname}:${port === "" ? DEFAULT_PORT : port}`),
    isTls,
    user: named && decodeURIComponent(named.username),
    password: named && decodeURIComponent(named.password),
  };
}

/** The servers, for people and attributes: without user and password. */
export function formatNatsServers({ addresses, isTls }: NatsServers): string {
  return addresses.map((address) => `${isTls ? "tls" : "nats"}://${address}`).join(",");
}

/** @throws SluiceError `BROKER_REQUEST` `EINVAL` */
export function checkInstanceName(name: string): void {
  if (INSTANCE_NAME.test(name)) return;
  throw requestError("EINVAL", `instance name '${name}': must be 1 to 64 letters, digits, '-' or '_'`);
}

function parseUrl(entry: string, problems: string[]): URL | undefined {
  // Hides the part that may be a password.
  const shown = entry.replace(/\/\/.*@/, "//***@");
  if (!/^(nats|tls):\/\//.test(entry)) {
    problems.push(`'${shown}' must be nats://HOST:PORT or tls://HOST:PORT`);
    return undefined;
  }
  if (!URL.canParse(entry)) {
    problems.push(`invalid address '${shown}'`);
    return undefined;
  }
  const url = new URL(entry);
  if (url.hostname === "" || !["", "/"].includes(url.pathname) || url.search !== "" || url.hash !== "") {
    problems.push(`'${shown}' must be only nats://HOST:PORT`);
    return undefined;
  }
  return url;
}

function bareHost(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, "$1");
}
