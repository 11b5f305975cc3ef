/** `sluice policy FILE…`: asks each policy which of some jobs start when 4 cores are free. */
import { messageOf, unloadPlugin } from "sluice";
import { loadPolicy, type WaitingJob } from "../policy.js";

const QUEUE: readonly WaitingJob[] = [
  { id: 1, cores: 3, urgency: 16 },
  { id: 2, cores: 1, urgency: 20 },
  { id: 3, cores: 2, urgency: 31 },
];

for (const path of process.argv.slice(2)) {
  try {
    const policy = await loadPolicy(path);
    const started = await policy.select(QUEUE, 4);
    console.log(`${await policy.title()}: ${started.join(", ")}`);
    await unloadPlugin(policy);
  } catch (error) {
    console.error(`sluice-policy: ${messageOf(error)}`);
    process.exitCode = 1;
  }
}
