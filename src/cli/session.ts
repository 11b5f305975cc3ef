import type { Command } from "commander";
import type { FoundInstance } from "../broker/life/find-instance.js";
import type { RegisteredInstance } from "../broker/life/instance-register.js";
import type { Handle } from "../messages/index.js";
import { ExitError } from "./terminal/output.js";
import { readerGone } from "./reader.js";

/** The option of {@link withUri}. */
export interface UriOption {
  readonly uri?: string;
}

/** Adds `--uri`, which every command that connects to an instance has. */
export function withUri(command: Command): Command {
  return command.option(
    "--uri <uri>",
    "instance to use, also by a pid, a name or a directory (default: SLUICE_URI, else the only one)",
  );
}

/** The instance that the command is to connect to, or undefined outside of one. */
export function instanceUri(options: { readonly uri?: string }): string | undefined {
  // An empty variable selects no instance.
  return options.uri ?? (process.env["SLUICE_URI"] || undefined);
}

/** Connects to the instance, runs the function, and closes the connection in any case. */
export async function withInstance<T>(
  options: { readonly uri?: string },
  run: (handle: Handle) => Promise<T>,
): Promise<T> {
  return withConnection(await requiredInstance(options), run);
}

async function requiredInstance(options: { readonly uri?: string }): Promise<string> {
  const uri = await namedOrOnlyInstance(options);
  if (uri !== undefined) return uri;
  throw new ExitError(
    1,
    "no instance: SLUICE_URI is not set; run the command under 'sluice start', or give --uri",
  );
}

/**
 * The named instance; if none is named, the only instance of this user.
 * @throws ExitError if the command names none and more than one runs
 */
export async function namedOrOnlyInstance(options: { readonly uri?: string }): Promise<string | undefined> {
  const uri = instanceUri(options);
  // An empty variable selects no instance.
  if (uri !== undefined || process.env["SLUICE_URI"] !== undefined) return uri;
  const { findOnlyInstance } = await import("../broker/life/find-instance.js");
  const found = findOnlyInstance(process.env);
  if (found.kind === "found") return found.uri;
  if (found.kind === "missing") return undefined;
  const { instances } = found;
  throw new ExitError(
    1,
    `no instance is named: SLUICE_URI is not set, and ${instances.length} instances run: ${namesOf(instances)}; give --uri`,
  );
}

/** @throws ExitError if no running instance has this name, or more than one */
async function resolvedUri(named: string): Promise<string> {
  if (named.includes("://")) {
    hidePasswords();
    return named;
  }
  const { findInstance } = await import("../broker/life/find-instance.js");
  const found = findInstance(named, process.env);
  if (found.kind === "found") return found.uri;
  throw notOne(named, found);
}

/** Hides a password on this command line from other users of the machine. */
export function hidePasswords(): void {
  const hidden = process.argv.map((word) => word.replace(/:\/\/[^/@\s]*@/g, "://***@"));
  if (hidden.some((word, at) => word !== process.argv[at])) process.title = hidden.join(" ");
}

/** Why a name leads to no instance. */
export function notOne(named: string, found: Exclude<FoundInstance, { readonly kind: "found" }>): ExitError {
  if (found.kind === "missing") {
    return new ExitError(1, `no instance '${named}' runs; 'sluice instances' lists the running instances`);
  }
  return new ExitError(1, `'${named}' names several instances: ${namesOf(found.instances)}; give a pid`);
}

/** Instances for a message that requests a choice. */
export function namesOf(instances: readonly RegisteredInstance[]): string {
  return instances.map(({ name, pid }) => `${name} (pid ${pid})`).join(", ");
}

/**
 * Runs a function until its end, until Ctrl-C, which makes the status 130, or until the reader of its output has
 * gone. Both abort the signal. It ignores an error that it rejects with after that.
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

/** As {@link withInstance}, for a named instance: by its URI, or in the forms of `--uri`. */
export async function withConnection<T>(named: string, run: (handle: Handle) => Promise<T>): Promise<T> {
  const uri = await resolvedUri(named);
  // Loaded only by commands that connect to an instance.
  const { connect } = await import("../messages/index.js");
  const handle = await connect(uri);
  try {
    return await run(handle);
  } finally {
    await handle.close();
  }
}
