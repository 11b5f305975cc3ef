import type { Finished, RunningCommand, Sandbox } from "./sluice.js";

/** An instance that runs beside the test until it is stopped, without the shipped modules. */
export interface LiveInstance {
  readonly uri: string;
  /** Runs one command in it. */
  run(...args: readonly string[]): Promise<Finished>;
  /** Starts one command in it. */
  start(...args: readonly string[]): RunningCommand;
  /** Ends it as Ctrl-C does. */
  stop(): Promise<void>;
}

/** Failures of its modules are only logged. */
export async function liveInstance(box: Sandbox, { size = 1 } = {}): Promise<LiveInstance> {
  const bare = ["-S", "broker.rc1_path=", "-S", "broker.rc3_path=", "-S", "broker.module-nopanic=1"];
  // Waits for an event that does not come.
  const program = 'echo "uri=$SLUICE_URI;"; exec sluice event sub test.never';
  const instance = box.start(["start", "-s", String(size), ...bare, "bash", "-c", program]);
  await instance.waitFor(";\n");
  const uri = /uri=(.*);/.exec(instance.output())?.[1] ?? "";
  const env = { SLUICE_URI: uri };
  return {
    uri,
    run: (...args) => box.run(args, { env }),
    start: (...args) => box.start(args, { env }),
    stop: async () => {
      instance.kill("SIGTERM");
      await instance.finished;
    },
  };
}
