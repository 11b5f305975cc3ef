/**
 * A client that sends requests at a rate, whether the answers come or not: `sender.mjs URI RATE MILLISECONDS`. Prints as
 * JSON how many a second were answered.
 */
import { setTimeout } from "node:timers";
import { connect } from "../../dist/index.js";

const PAYLOAD = { text: "x".repeat(64), n: 1 };

/** Beyond this limit the machine is too slow, and more requests have no use. */
const MOST_UNDER_WAY = 5000;

const [uri, rate, durationMs] = process.argv.slice(2);
const handle = await connect(uri);
const startedAt = performance.now();
let sent = 0;
let answered = 0;
await new Promise((resolve, reject) => {
  const turn = () => {
    const elapsedMs = performance.now() - startedAt;
    if (elapsedMs >= Number(durationMs)) {
      resolve();
      return;
    }
    const due = Math.min((elapsedMs * Number(rate)) / 1000, answered + MOST_UNDER_WAY);
    for (; sent < due; sent++) handle.rpc("echo.echo", PAYLOAD).then(() => answered++, reject);
    setTimeout(turn, 1);
  };
  turn();
});
console.log(JSON.stringify({ perSecond: (answered * 1000) / (performance.now() - startedAt) }));
process.exit(0);
