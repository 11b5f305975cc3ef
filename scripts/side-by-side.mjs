/**
 * `node scripts/side-by-side.mjs SCRIPT…`: runs scripts of package.json side by side. What each prints comes at its end, in
 * one piece. Exits 1 if one fails, after all have ended; Ctrl-C ends them all.
 */
import { spawn } from "node:child_process";

const running = new Set();

function run(script) {
  const child = spawn("npm", ["run", "--silent", script], {
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  running.add(child);
  const chunks = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => chunks.push(chunk));
  return new Promise((resolve) => {
    child.once("error", (error) => chunks.push(Buffer.from(`${error.message}\n`)));
    child.once("close", (status) => {
      running.delete(child);
      const how = status === 0 ? "passed" : "FAILED";
      process.stdout.write(`\n${script}: ${how}\n${Buffer.concat(chunks).toString("utf8")}`);
      resolve(status === 0);
    });
  });
}

for (const [signal, status] of Object.entries({ SIGINT: 130, SIGTERM: 143 })) {
  process.once(signal, () => {
    for (const { pid } of running) if (pid !== undefined) process.kill(-pid, "SIGKILL");
    process.exit(status);
  });
}

const passed = await Promise.all(process.argv.slice(2).map(run));
process.exitCode = passed.every(Boolean) ? 0 : 1;
