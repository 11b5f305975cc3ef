#!/bin/sh
# nats-server 2.9.10 (Debian 12) and @nats-io/transport-node 3.3.1: a request to $JS.API.INFO fails at once with "no responders" on a
# single server without JetStream, and is not answered at all on a cluster of such servers.
#
# Input: a server by itself and two servers joined by a route, none with JetStream; a request to $JS.API.INFO with 3 s to answer.
# Expected: the same on both, as nothing serves the subject. Seen: 503 in milliseconds on the single server; on the cluster the
# request ends with the time-out. A program that asks whether there is JetStream therefore needs a time limit of its own.
set -eu
dir=$(mktemp -d)
pids=
trap 'kill $pids 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -qq nats-server=2.9.10* >/dev/null 2>&1
dpkg -x nats-server_*.deb server
server=$(find server -type f -name nats-server)
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @nats-io/transport-node@3.3.1
"$server" -a 127.0.0.1 -p 42601 >/dev/null 2>&1 & pids="$pids $!"
"$server" -a 127.0.0.1 -p 42602 --cluster_name c --cluster nats://127.0.0.1:42612 >/dev/null 2>&1 & pids="$pids $!"
"$server" -a 127.0.0.1 -p 42603 --cluster_name c --cluster nats://127.0.0.1:42613 --routes nats://127.0.0.1:42612 >/dev/null 2>&1 & pids="$pids $!"
cat >run.mjs <<'EOF'
import { connect } from "@nats-io/transport-node";
for (const [name, port] of [["single", 42601], ["cluster", 42603]]) {
  const connection = await connect({ servers: `127.0.0.1:${port}`, maxReconnectAttempts: 20, waitOnFirstConnect: true, reconnectTimeWait: 100 });
  while (name === "cluster" && connection.info.connect_urls?.length !== 2) await connection.flush().then(() => new Promise((next) => setTimeout(next, 50)));
  const outcome = await connection.request("$JS.API.INFO", "", { timeout: 3000 }).then(() => "answered", (error) => error.constructor.name + " " + (error.cause?.constructor.name ?? ""));
  console.log(`${name}: ${outcome}`);
  await connection.close();
}
EOF
seen=$(node run.mjs)
echo "$seen"
test "$seen" = "single: RequestError NoRespondersError
cluster: TimeoutError "
