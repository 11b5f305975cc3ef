import { availableParallelism, hostname, totalmem } from "node:os";
import { messageOf } from "../errors/index.js";
import { fields, type Handle, type JsonValue } from "../messages/index.js";

/** The answer omits a rank that does not report its resources in this time. */
const ASK_TIMEOUT_MS = 5000;

/**
 * The resources of the hosts of the instance. Answers `status`: `{hosts: [{rank, hostname, cores, memoryBytes}]}`, by rank.
 *
 * Rank 0 sends requests to all ranks each time. No list has to be updated, because the next answer omits a
 * rank that has left. Other ranks pass the request on to rank 0.
 */
export async function modMain(h: Handle): Promise<void> {
  h.handle("host", () => host(h.rank), { allowGuest: true });
  h.handle(
    "status",
    (request) =>
      h.rank === 0
        ? status(h)
        : h.rpc(`${h.name}.status`, request.payload, { rank: "upstream", timeoutMs: 2 * ASK_TIMEOUT_MS }),
    { allowGuest: true },
  );
  await h.run();
}

function host(rank: number): JsonValue {
  const limitBytes = process.constrainedMemory();
  return {
    rank,
    hostname: hostname(),
    cores: availableParallelism(),
    memoryBytes: limitBytes > 0 ? Math.min(totalmem(), limitBytes) : totalmem(),
  };
}

async function status(h: Handle): Promise<JsonValue> {
  const ranks = Array.from({ length: h.size }, (_, rank) => rank);
  const hosts = await Promise.all(ranks.map((rank) => ask(h, rank)));
  return { hosts: hosts.filter((item) => item !== undefined) };
}

async function ask(h: Handle, rank: number): Promise<JsonValue | undefined> {
  if (rank === h.rank) return host(rank);
  try {
    const answer = await h.rpc(`${h.name}.host`, undefined, { rank, timeoutMs: ASK_TIMEOUT_MS });
    return fields(answer, { rank: "integer", hostname: "string", cores: "integer", memoryBytes: "integer" });
  } catch (error) {
    h.log("warning", `rank ${rank} does not report its resources: ${messageOf(error)}`);
    return undefined;
  }
}
