#!/bin/sh
# @nats-io/transport-node 3.3.1: an attempt to connect that ends by its time-out leaves its socket open.
#
# Input: connect() with timeout 200 and reconnect false, to a server that greets after 400 ms, as a busy one does.
# Expected: connect() rejects with TimeoutError, and the socket is closed, as after any other error.
# Seen: it rejects in time. The socket stays open for ever, and keeps the process alive; what the server sends is not answered.
#
# Who tries more than once has to find the sockets of an attempt and destroy them, or processes stay.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @nats-io/transport-node@3.3.1
cat >run.mjs <<'EOS'
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "@nats-io/transport-node";

const info = { server_id: "x", server_name: "x", version: "2.9.10", proto: 1, headers: true, max_payload: 1048576 };
let open = 0;
const server = createServer((socket) => {
  open++;
  socket.on("close", () => open--);
  socket.on("error", () => undefined);
  socket.resume();
  setTimeout(() => socket.write(`INFO ${JSON.stringify(info)}\r\n`), 400);
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const options = { servers: `127.0.0.1:${server.address().port}`, timeout: 200, reconnect: false };
const error = await connect(options).then(() => "connected", ({ name }) => name);
await sleep(2000);
console.log(`${error}, open after 2 s: ${open}`);
process.exit(0);
EOS
seen=$(node run.mjs)
echo "$seen"
test "$seen" = "TimeoutError, open after 2 s: 1"
