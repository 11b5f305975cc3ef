/** Starts the servers of this directory, each in a process of its own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** @returns the process, and the first line that it printed: it is ready */
export async function startServer(name, args = []) {
  const path = fileURLToPath(new URL(`./${name}.mjs`, import.meta.url));
  const child = spawn(process.execPath, [path, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(child.stdout, "data");
  return { child, line: String(line).trim() };
}

export async function stop({ child }) {
  child.kill("SIGTERM");
  await once(child, "exit");
}
