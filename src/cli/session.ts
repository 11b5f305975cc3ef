import type { Command } from "commander";
import type { Handle } from "../messages/index.js";
import { ExitError } from "./terminal/output.js";
import { readerGone } from "./reader.js";

/** The option of {@link withUri}. */
export interface UriOption {
  readonly uri?: string;
}

/** Adds `--uri`, which every command that talks to an instance has. */
export function withUri(command: Command): Command {
  return command.option("--uri <uri>", "instance to talk to (default: SLUICE_URI)");
}

/** The instance that the command is to talk to, or undefined outside of one. */
export function instanceUri(options: { readonly uri?: string }): string | undefined {
  // Set to nothing is how a shell says that there is none.
  return options.uri ?? (process.env["SLUICE_URI"] || undefined);
}

/** Connects to the instance, runs the function, and closes the connection whatever happens. */
export async function withInstance<T>(
  options: { readonly uri?: string },
  run: (handle: Handle) => Promise<T>,
): Promise<T> {
  const uri = instanceUri(options);
  if (uri === undefined) {
    throw new ExitError(
      1,
      "no instance: SLUICE_URI is not set; run this under 'sluice start', or give --uri",
    );
  }
  return withConnection(uri, run);
}

/**
 * Runs something that goes on until its end, Ctrl-C, which makes the status 130, or nobody reads what it prints. Both
 * abort the signal; what it rejects with after that is no error.
 */
export async function untilInterrupted(run: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const interrupted = new AbortController();
  const onSignal = (): void => interrupted.abort();
  const signal = AbortSignal.any([interrupted.signal, readerGone()]);
  process.once("SIGINT", onSignal);
  try {
    await run(signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    process.off("SIGINT", onSignal);
    if (interrupted.signal.aborted) process.exitCode = 130;
  }
}

/** As {@link withInstance}, for a URI that is known. */
export async function withConnection<T>(uri: string, run: (handle: Handle) => Promise<T>): Promise<T> {
  // Loaded only by who talks to an instance.
  const { connect } = await import("../messages/index.js");
  const handle = await connect(uri);
  try {
    return await run(handle);
  } finally {
    await handle.close();
  }
}
