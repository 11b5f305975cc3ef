/** Brokers of a soak, each a process of its own, without rc1 and rc3. */
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../dist/index.js";

const POLL_MS = 20;
const MAIN = createRequire(import.meta.url).resolve("../../dist/cli/main.cjs");

/** Starts one whose run directory is `dir/RANK`. @param options `flags`; `stderr`, where its log goes */
export function startBroker(dir, rank, { flags = [], stderr = "ignore" } = {}) {
  const settings = ["-S", "broker.rc1_path=", "-S", "broker.rc3_path="];
  return spawn(
    process.execPath,
    [MAIN, "broker", `--rundir=${join(dir, String(rank))}`, ...flags, ...settings],
    { stdio: ["ignore", "ignore", stderr], env: { ...process.env, SLUICE_CONFDIR: "/nonexistent" } },
  );
}

/** A client of one, as soon as it serves. */
export async function connectTo(dir, rank, signal) {
  for (;;) {
    signal.throwIfAborted();
    try {
      return await connect(`local://${join(dir, String(rank))}/local-${rank}`);
    } catch (error) {
      if (error.code !== "BROKER_UNREACHABLE") throw error;
      await sleep(POLL_MS);
    }
  }
}
