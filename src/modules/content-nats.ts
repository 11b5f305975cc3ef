import type { Handle } from "../messages/index.js";
import { LastingConnection } from "../nats/index.js";
import { delayAttribute } from "./arguments/attributes.js";
import { keyValues } from "./arguments/key-values.js";
import { StateClaim } from "./content/instance-file.js";
import { natsAccess } from "./content/nats-access.js";
import { NatsBucket } from "./content/nats-bucket.js";
import { NatsStore } from "./content/nats-store.js";
import { serveBacking } from "./content/serve-backing.js";
import { stateDirectory } from "./content/state-directory.js";

/** The largest number of servers that keep a store. */
const MAX_REPLICAS = 3;

/**
 * Provides `content-backing` from a bucket of JetStream on the NATS servers of the instance, so that another host can
 * take over. The bucket is `sluice-INSTANCE-content`.
 *
 * Arguments: `synced=1`, where the operator has checked that the servers write to the disk before they answer
 * (`sync_interval: always`).
 */
export async function modMain(h: Handle, ...args: string[]): Promise<void> {
  const { synced = "0" } = keyValues(args, ["synced"]);
  const directory = await stateDirectory(h);
  const claim = await StateClaim.make(h, directory, "content-nats");
  const instance = claim.instance ?? (await h.attr("instance-id")) ?? "";
  const { servers, credentials } = await natsAccess(h);
  const waitMs = await delayAttribute(h, "content.wait", "30s");
  const connection = await LastingConnection.open({
    ...credentials,
    servers,
    connectTimeoutMs: waitMs,
    name: `sluice ${instance} content`,
    inboxPrefix: "_INBOX_r0",
  });
  connection.listen({ log: (level, text) => h.log(level, text) });
  const bucket = new NatsBucket(connection, `sluice-${instance}-content`, waitMs);
  try {
    const replicas = await bucket.open(Math.min(MAX_REPLICAS, servers.addresses.length));
    // At the start, the load of the module fails with this error.
    bucket.onRefused((text) => h.log("err", text));
    const isDurable = replicas >= MAX_REPLICAS || synced === "1";
    tellPromise(h, { replicas, isSynced: synced === "1" });
    const store = await NatsStore.open(bucket, (text) => h.log("warning", text));
    await claim.settle(store);
    const begun = await serveBacking(h, store, { isDurable, replicas });
    await h.run();
    await begun.idle();
    await store.close();
  } finally {
    await bucket.close();
  }
}

/** Logs the meaning of an answer: by default JetStream answers before it writes to the disk. */
function tellPromise(
  h: Handle,
  { replicas, isSynced }: { readonly replicas: number; readonly isSynced: boolean },
): void {
  const copies = replicas === 1 ? "one server" : `${replicas} servers`;
  if (isSynced) h.log("info", `durable: on ${copies}, which write to the disk before they answer (synced=1)`);
  else if (replicas >= MAX_REPLICAS) h.log("info", `durable: on ${copies}, while most of them have power`);
  else {
    h.log(
      "notice",
      `not durable: acknowledged data on ${copies} survives the end of a server, not a loss of power; ` +
        `for durable data, use ${MAX_REPLICAS} servers in --overlay, or sync_interval: always with the argument synced=1`,
    );
  }
}
