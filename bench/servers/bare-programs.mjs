/** Spawns the shell lines of a file with both outputs piped, ends them by SIGTERM once all have begun, and waits. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, watch } from "node:fs";

const [file, ran] = process.argv.slice(2);
const lines = JSON.parse(readFileSync(file, "utf8"));
const begun = new Promise((resolve) => {
  const watcher = watch(ran, () => {
    if (readdirSync(ran).length < lines.length) return;
    watcher.close();
    resolve();
  });
});
const children = lines.map((line) =>
  spawn("bash", ["-c", line], { stdio: ["ignore", "pipe", "pipe"], detached: true }),
);
const ended = children.map((child) => once(child, "exit"));
for (const { stdout, stderr } of children) for (const stream of [stdout, stderr]) stream.resume();
await begun;
for (const { pid } of children) process.kill(-pid, "SIGTERM");
await Promise.all(ended);
