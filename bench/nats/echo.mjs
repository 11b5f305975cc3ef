/** Answers requests over bare NATS with their payload, which it reads. The argument is the address of the server. */
import { connect } from "@nats-io/transport-node";

const connection = await connect({ servers: process.argv[2] });
connection.subscribe("bench.echo", {
  callback: (error, message) => {
    if (error !== null) throw error;
    message.respond(JSON.stringify(message.json()));
  },
});
await connection.flush();
console.log("ready");
process.on("SIGTERM", () => void connection.close().then(() => process.exit(0)));
