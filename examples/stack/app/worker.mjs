/** Does jobs, one after the other. After a kill, the job that it had begun waits again. */
import { query } from "./database.mjs";
import { connect } from "./redis.mjs";

const [name] = process.argv.slice(2);
const own = `busy:${name}`;
const redis = connect("data/queue.sock");
process.on("SIGTERM", () => process.exit(0));

while ((await redis("LMOVE", own, "jobs", "LEFT", "RIGHT")) !== null);
console.log("waits for jobs");
for (;;) {
  const job = await redis("BLMOVE", "jobs", own, "RIGHT", "LEFT", "0");
  await query("insert into done (job, worker) values (:'job', :'worker');", { job, worker: name });
  await redis("LREM", own, "1", job);
  console.log(`did ${job}`);
}
