import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { commandText, errnumOf, messageOf, strerror } from "../../errors/index.js";
import { type Identity, isSuccess, moduleEndText, startTimer } from "../../processes/index.js";
import { LineMatcher } from "./line-matcher.js";
import {
  attemptConnection,
  attemptHttp,
  type AttemptOutcome,
  hostAndPort,
  isThisMachine,
  shownUrl,
} from "./network-probes.js";
import { type OnceCommand, runOnce } from "./run-once.js";
import type { Probe } from "../program-options.js";

/** The parameters of attempts. */
export interface ProbePlace {
  /** Absolute; relative paths of probes count from it. */
  readonly directory: string;
  readonly env: NodeJS.ProcessEnv;
  /** The user as whom commands run. */
  readonly identity: Identity | undefined;
  /** Whether messages leave out the arguments of commands. */
  readonly isSecret: boolean;
}

/** One attempt of a probe; ends soon when the signal aborts. */
type Attempt = (signal: AbortSignal) => Promise<AttemptOutcome>;

/** The function for one attempt of a probe; undefined for a probe that waits for a report of the program. */
export function attemptOf(probe: Probe, place: ProbePlace): Attempt | undefined {
  const { tcp, unix, http, command, file } = probe;
  if (tcp !== undefined) {
    return async (signal) => {
      const where = hostAndPort(tcp);
      if (where === undefined) return `tcp ${tcp}: it must be HOST:PORT`;
      return named(`tcp ${tcp}`, await attemptConnection(where, signal));
    };
  }
  if (unix !== undefined) {
    const path = resolve(place.directory, unix);
    return async (signal) => named(`unix ${path}`, await attemptConnection({ path }, signal));
  }
  if (http !== undefined) {
    const { status, body } = probe;
    return (signal) => attemptHttp({ url: http, status, body }, signal);
  }
  if (command !== undefined) return (signal) => attemptCommand({ ...place, command }, probe.output, signal);
  if (file !== undefined) {
    const path = resolve(place.directory, file);
    return () => attemptFile(path);
  }
  return undefined;
}

function named(what: string, outcome: AttemptOutcome): AttemptOutcome {
  return outcome === undefined ? undefined : `${what}: ${outcome}`;
}

async function attemptFile(path: string): Promise<AttemptOutcome> {
  try {
    await stat(path);
    return undefined;
  } catch (error) {
    const errnum = errnumOf(error);
    return `${path}: ${errnum === undefined ? messageOf(error) : strerror(errnum)}`;
  }
}

async function attemptCommand(
  once: OnceCommand & ProbePlace,
  wanted: string | undefined,
  signal: AbortSignal,
): Promise<AttemptOutcome> {
  const name = commandText(once.command, once.isSecret);
  try {
    const { end, isAborted, lines } = await runOnce(once, signal);
    if (isAborted) return `${name}: no answer`;
    const said = lines.at(-1);
    if (!isSuccess(end)) return `${name}: ${moduleEndText(end)}${said === undefined ? "" : `: ${said}`}`;
    if (wanted === undefined) return undefined;
    switch (new LineMatcher(wanted).test([...lines, lines.join("\n")])) {
      case "match":
        return undefined;
      case "none":
        return `${name}: its output does not match ${wanted}${said === undefined ? "" : `: ${said}`}`;
      case "too slow":
        return `${name}: matching its output against ${wanted} takes too long`;
    }
  } catch (error) {
    return `${name}: ${messageOf(error)}`;
  }
}

/** Makes one attempt within its time. An attempt that throws has failed. */
export async function attemptWithin(
  attempt: Attempt,
  timeoutMs: number,
  given: AbortSignal,
): Promise<AttemptOutcome> {
  const limit = new AbortController();
  const timer = startTimer(timeoutMs, () => limit.abort());
  const stop = (): void => limit.abort();
  given.addEventListener("abort", stop);
  try {
    const outcome = await attempt(limit.signal);
    const isLate = limit.signal.aborted && !given.aborted;
    return outcome === undefined || !isLate ? outcome : `${outcome} within ${timeoutMs / 1000} s`;
  } catch (error) {
    return messageOf(error);
  } finally {
    timer.cancel();
    given.removeEventListener("abort", stop);
  }
}

/**
 * Whether the address of a probe already answers before the program is started. Then it belongs to another program.
 * @returns the address; undefined if it does not answer, or it belongs to another machine
 */
export async function answeringBefore(
  probe: Probe,
  place: ProbePlace,
  timeoutMs: number,
): Promise<string | undefined> {
  const limit = new AbortController();
  const timer = startTimer(timeoutMs, () => limit.abort());
  try {
    const where = await ownAddress(probe, place);
    if (where === undefined) return undefined;
    return (await attemptConnection(where.address, limit.signal)) === undefined ? where.name : undefined;
  } finally {
    timer.cancel();
  }
}

async function ownAddress(
  { tcp, unix, http }: Probe,
  { directory }: ProbePlace,
): Promise<{ name: string; address: { host: string; port: number } | { path: string } } | undefined> {
  if (unix !== undefined) {
    const path = resolve(directory, unix);
    return { name: path, address: { path } };
  }
  const address = tcp === undefined ? addressOfUrl(http) : hostAndPort(tcp);
  if (address === undefined || !(await isThisMachine(address.host))) return undefined;
  return { name: tcp ?? shownUrl(http ?? ""), address };
}

function addressOfUrl(text: string | undefined): { host: string; port: number } | undefined {
  if (text === undefined || !URL.canParse(text)) return undefined;
  const { hostname, port, protocol } = new URL(text);
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  return { host, port: port === "" ? (protocol === "https:" ? 443 : 80) : Number(port) };
}
