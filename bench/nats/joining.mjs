/**
 * How long ranks take to join an instance over NATS, all in this process, and how long as many bare clients take to connect.
 * Arguments: the address of the server, and sizes. Prints an object of JSON for each size.
 */
import { connect } from "@nats-io/transport-node";
import { reaches, startRank } from "./brokers.mjs";

const [url, ...sizes] = process.argv.slice(2);

/** Milliseconds until rank 0 and each of the others reach all ranks. */
async function timeToJoin(size) {
  const instance = `join-${size}`;
  const startedAtMs = performance.now();
  const brokers = await Promise.all(
    Array.from({ length: size }, (_, rank) => startRank({ url, instance, rank, size })),
  );
  const joinedMs = performance.now() - startedAtMs;
  await Promise.all(brokers.map((broker) => reaches(broker, size - 1)));
  const allMs = performance.now() - startedAtMs;
  await Promise.all(brokers.slice(1).map((broker) => broker.close()));
  await brokers[0].close();
  return { joinedMs, allMs };
}

/** Milliseconds until so many bare clients are connected, and the first one has answered each of them. */
async function timeToConnect(size) {
  const startedAtMs = performance.now();
  const connections = await Promise.all(Array.from({ length: size }, () => connect({ servers: url })));
  const [first, ...others] = connections;
  first.subscribe("bench.join", { callback: (_error, message) => message.respond(message.data) });
  await first.flush();
  await Promise.all(others.map((other) => other.request("bench.join", "{}", { timeout: 10_000 })));
  const bareMs = performance.now() - startedAtMs;
  await Promise.all(connections.map((connection) => connection.close()));
  return bareMs;
}

// What the first ones compile and load is no part of joining.
await timeToConnect(2);
await timeToJoin(2);
for (const text of sizes) {
  const size = Number(text);
  const bareMs = await timeToConnect(size);
  console.log(JSON.stringify({ size, bareMs, ...(await timeToJoin(size)) }));
}
process.exit(0);
