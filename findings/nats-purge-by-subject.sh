#!/bin/sh
# nats-server 2.9.10 (Debian 12) and @nats-io/transport-node 3.3.1: a purge of a stream by subject empties the stream, and its bytes
# stay counted for the account.
#
# Input: a file stream with five messages of 50 kB on one subject; STREAM.PURGE with that subject as filter; then STREAM.INFO and
# $JS.API.INFO. The same with a purge of all.
# Expected: both say that nothing is stored, as after a purge of all. Seen: the stream has 0 bytes, and the account still has more than
# 250,000. Near a limit of storage, writes are refused although all was purged. Deleting messages by number gives the bytes back.
set -eu
dir=$(mktemp -d)
pids=
trap 'kill $pids 2>/dev/null || true; wait 2>/dev/null; rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -qq nats-server=2.9.10* >/dev/null 2>&1
dpkg -x nats-server_*.deb server
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @nats-io/transport-node@3.3.1
"$(find server -type f -name nats-server)" -a 127.0.0.1 -p 42621 -js -sd "$dir/store" >/dev/null 2>&1 & pids=$!
cat >run.mjs <<'EOF'
import { connect } from "@nats-io/transport-node";
const nats = await connect({ servers: "127.0.0.1:42621", waitOnFirstConnect: true, reconnectTimeWait: 100 });
const ask = async (subject, body = {}) => (await nats.request(`$JS.API.${subject}`, JSON.stringify(body), { timeout: 5000 })).json();
for (const [name, filter] of [["all", {}], ["subject", { filter: "subject.x" }]]) {
  await ask(`STREAM.CREATE.${name}`, { name, subjects: [`${name}.x`], storage: "file", retention: "limits", discard: "old", num_replicas: 1 });
  for (let n = 0; n < 5; n++) await nats.request(`${name}.x`, new Uint8Array(50_000), { timeout: 5000 });
  await ask(`STREAM.PURGE.${name}`, filter);
  const stream = (await ask(`STREAM.INFO.${name}`)).state.bytes;
  const account = (await ask("INFO")).storage;
  console.log(`purge of ${name}: stream ${stream}, account ${account > 250_000 ? "over 250000" : account}`);
  await ask(`STREAM.DELETE.${name}`);
}
await nats.close();
EOF
seen=$(node run.mjs)
echo "$seen"
test "$seen" = "purge of all: stream 0, account 0
purge of subject: stream 0, account over 250000"
