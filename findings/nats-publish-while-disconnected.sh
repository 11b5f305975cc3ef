#!/bin/sh
# @nats-io/transport-node 3.3.1, nats-server 2.9.10: what is published while the connection is lost is dropped without an error.
#
# Input: one connection with reconnection allowed for ever; it publishes "one", "two" while the server is down, and "three" after
# the reconnection; the same connection is subscribed to the subject.
# Expected: "two" is sent after the reconnection, as the clients in C, Go and Java do with their buffer, or publish() throws.
# Seen: publish("two") returns; "one" and "three" arrive, "two" never does.
#
# What must not be lost has to be kept and sent again at the event "reconnect", and its receiver has to drop doubles.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
PATH=$PATH:$dir/server/usr/sbin:$dir/server/usr/bin
if ! command -v nats-server >/dev/null; then
  apt-get download -qq nats-server >/dev/null
  dpkg -x nats-server_*.deb server
fi
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @nats-io/transport-node@3.3.1
cat >run.mjs <<'EOF'
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { connect } from "@nats-io/transport-node";

const probe = createServer().listen(0, "127.0.0.1");
await once(probe, "listening");
const { port } = probe.address();
probe.close();
await once(probe, "close");

let server;
function startServer() {
  server = spawn("nats-server", ["-a", "127.0.0.1", "-p", String(port)], { stdio: "ignore" });
}
startServer();
const nc = await connect({
  servers: `127.0.0.1:${port}`,
  waitOnFirstConnect: true,
  maxReconnectAttempts: -1,
  reconnectTimeWait: 100,
});
const got = [];
nc.subscribe("subject", { callback: (_, message) => got.push(message.string()) });
nc.publish("subject", "one");
await nc.flush();
const lost = nc.status()[Symbol.asyncIterator]();
server.kill("SIGKILL");
for (let event = await lost.next(); event.value.type !== "disconnect"; event = await lost.next());
nc.publish("subject", "two");
startServer();
for (let event = await lost.next(); event.value.type !== "reconnect"; event = await lost.next());
nc.publish("subject", "three");
await nc.flush();
console.log(got.join(" "));
await nc.close();
server.kill();
EOF
seen=$(timeout 60 node run.mjs)
echo "$seen"
test "$seen" = "one three"
