/** Brokers of an instance over NATS in this process. */
import { Broker, natsOverlay, parseNatsServers } from "../../dist/broker/index.js";

/** As `sluice broker` has them. */
const TIMES = {
  connectTimeoutMs: 5000,
  joinTimeoutMs: 60_000,
  silenceMs: 6000,
  retryMs: 1000,
  leaseMs: 20_000,
};

/** Resolves when it has joined. `url` lists the servers. */
export async function startRank({ url, rank, size, instance = "bench" }) {
  const servers = parseNatsServers(url);
  const { overlay } = await natsOverlay({ ...TIMES, servers, instance, rank, size });
  return Broker.start({ overlay, socket: false, env: { PATH: process.env.PATH } });
}

/** Resolves when a broker reaches so many others. */
export function reaches({ roster }, count) {
  return new Promise((resolve) => {
    const look = () => {
      if (roster.present.size !== count) return;
      ignore();
      resolve();
    };
    const ignore = roster.onChange(look);
    look();
  });
}
