import { isErrno, requestError } from "../../errors/index.js";
import { fields, type Handle } from "../../messages/index.js";
import { type NatsCredentials, type NatsServers, parseNatsServers } from "../../nats/index.js";

/** How a module connects to the NATS servers of its instance. */
export interface NatsAccess {
  readonly servers: NatsServers;
  readonly credentials: NatsCredentials;
}

/**
 * The broker's own servers. If the ranks are joined in another way, the servers of the attribute `overlay.nats`.
 * @throws `EINVAL` if there are no servers
 */
export async function natsAccess(h: Handle): Promise<NatsAccess> {
  const given = await ofBroker(h);
  if (given !== undefined) return given;
  const servers = (await h.attr("overlay.nats")) ?? "";
  if (servers === "")
    throw requestError("EINVAL", "overlay.nats is not set: this instance has no NATS servers");
  const directory = process.env["CREDENTIALS_DIRECTORY"];
  return { servers: parseNatsServers(servers), credentials: { directory } };
}

async function ofBroker(h: Handle): Promise<NatsAccess | undefined> {
  try {
    const { addresses, isTls, user, password, ...credentials } = fields(await h.rpc("overlay.access"), {
      addresses: "string[]",
      isTls: "boolean",
      user: "string?",
      password: "string?",
      creds: "string?",
      nkey: "string?",
      tlsCa: "string?",
      tlsCert: "string?",
      tlsKey: "string?",
      directory: "string?",
    });
    return { servers: { addresses, isTls, user, password }, credentials };
  } catch (error) {
    if (isErrno(error, "ENOENT") || isErrno(error, "ENOSYS")) return undefined;
    throw error;
  }
}
