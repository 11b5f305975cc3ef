/** Accepts jobs (`POST /jobs`), lists finished jobs (`GET /jobs`), and reports its health (`GET /healthz`). */
import { createServer } from "node:http";
import { query } from "./database.mjs";
import { connect } from "./redis.mjs";

const { PORT = "3000", TITLE = "" } = process.env;
const redis = connect("data/queue.sock");

const ROUTES = {
  "GET /healthz": async () => [200, { title: TITLE, queue: await redis("PING") }],
  "GET /jobs": async () => [
    200,
    (await query("select row_to_json(done) from done order by at")).map((line) => JSON.parse(line)),
  ],
  "POST /jobs": async (request) => {
    let job = "";
    for await (const text of request.setEncoding("utf8")) job += text;
    return [202, { waiting: await redis("LPUSH", "jobs", job) }];
  },
};

const server = createServer(async (request, response) => {
  const route = ROUTES[`${request.method} ${request.url}`];
  try {
    const [status, body] = route === undefined ? [404, { error: "no such path" }] : await route(request);
    response.writeHead(status, { "Content-Type": "application/json" }).end(`${JSON.stringify(body)}\n`);
  } catch (error) {
    response
      .writeHead(503, { "Content-Type": "application/json" })
      .end(`${JSON.stringify({ error: error.message })}\n`);
  }
});
server.listen(Number(PORT), "127.0.0.1", () => console.log(`${TITLE} listens on port ${PORT}`));
process.on("SIGTERM", () => process.exit(0));
