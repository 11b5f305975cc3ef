import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { didYouMean } from "../errors/index.js";
import { WIRE_LIMITS } from "../messages/index.js";
import { SAME_SIGNAL_MS } from "../processes/index.js";
import { Attributes } from "./attributes.js";
import { parseDelay } from "./delay.js";
import { parseLogLevel } from "./log/log-ring.js";
import { packageVersion } from "./package-version.js";

/** The broker's facts about itself at the creation of its attributes. */
interface Identity {
  readonly rank: number;
  readonly size: number;
  readonly rundir: string;
  readonly statedir: string;
  readonly cachedir: string;
  readonly localUri: string | undefined;
  readonly startTimeMs: number;
}

/** Read-only attributes that may still be set at the start. */
const CHOSEN_AT_START = [
  "instance-id",
  "statedir",
  "overlay.nats",
  "overlay.successor",
  "config.path",
] as const;

/**
 * The attributes that every broker has, and those given at start.
 * @throws SluiceError BROKER_REQUEST `EPERM` if one is given that the broker alone sets, `EINVAL` for a bad value
 */
export function builtinAttributes(given: Readonly<Record<string, string>>, identity: Identity): Attributes {
  const attributes = new Attributes();
  const fixed: Record<string, string | undefined> = {
    rank: String(identity.rank),
    size: String(identity.size),
    version: packageVersion(),
    "broker.pid": String(process.pid),
    "broker.starttime": (identity.startTimeMs / 1000).toFixed(3),
    hostname: hostname(),
    "instance-id": given["instance-id"] ?? randomBytes(8).toString("hex"),
    rundir: identity.rundir,
    statedir: identity.statedir,
    cachedir: identity.cachedir,
    "local-uri": identity.localUri,
    "overlay.nats": given["overlay.nats"],
    "overlay.successor": given["overlay.successor"],
    "config.path": given["config.path"],
  };
  for (const [name, value] of Object.entries(fixed)) {
    if (value !== undefined) attributes.define(name, value, { readOnly: true });
  }
  attributes.define("log-stderr-level", "4", { check: checkLogLevel });
  attributes.define("broker.max-payload", String(WIRE_LIMITS.payloadBytes), { check: checkMaxPayload });
  attributes.define("broker.module-nopanic", "0", { check: checkFlag });
  attributes.define("broker.learn", "0", { check: checkFlag });
  attributes.define("broker.quorum", String(identity.size), { check: checkQuorum(identity.size) });
  attributes.define("broker.quorum-timeout", "60s", { check: checkDelay });
  attributes.define("broker.shutdown-timeout", "30s", { check: checkDelay });
  attributes.define("broker.rc1-timeout", "infinity", { check: checkDelay });
  attributes.define("broker.library-timeout", "10s", { check: checkDelay });
  attributes.define("broker.waiting-after", "10s", { check: checkDelay });
  attributes.define("broker.waiting-every", "30s", { check: checkDelay });
  attributes.define("broker.host-linger", "10s", { check: checkDelay });
  attributes.define("broker.stopping-after", "2s", { check: checkDelay });
  attributes.define("broker.same-signal-within", `${SAME_SIGNAL_MS}ms`, { check: checkDelay });
  attributes.define("overlay.heartbeat-period", "2s", { check: checkPeriod });
  attributes.define("overlay.lost-after", "60s", { check: checkDelay });
  attributes.define("overlay.kept-events", String(2 ** 26), { check: checkKeptEvents });
  attributes.define("overlay.retry", "1s", { check: checkPeriod });
  attributes.define("overlay.lease", "20s", { check: checkPeriod });
  attributes.define("overlay.leader-timeout", "60s", { check: checkDelay });
  attributes.define("overlay.on-lost", "rejoin", { check: checkOneOf("rejoin", "stop") });
  attributes.define("config.reload-timeout", "5s", { check: checkDelay });
  attributes.define("broker.env-blocklist", "");
  attributes.define("broker.default-thread", "own", { check: checkThread });
  defineStoreAttributes(attributes);
  for (const [name, value] of Object.entries(given)) {
    if (!CHOSEN_AT_START.some((chosen) => chosen === name)) attributes.set(name, value);
  }
  return attributes;
}

/** Attributes that the broker does not set, but that the broker or a shipped module reads. */
const ASKED_FOR = [
  "broker.rc1_path",
  "broker.rc3_path",
  "content.backing-module",
  "content.dump",
  "content.restore",
  "cron.directory",
];

/**
 * A suggestion for the name of an attribute at the start. Any name is allowed. Only a name close to a known
 * one is doubtful.
 * @returns `did you mean 'statedir'?`
 */
export function attributeHint(name: string): string | undefined {
  const anyBroker = {
    rank: 0,
    size: 1,
    rundir: "",
    statedir: "",
    cachedir: "",
    localUri: "",
    startTimeMs: 0,
  };
  const known = [...Object.keys(builtinAttributes({}, anyBroker).list()), ...ASKED_FOR];
  return known.includes(name) ? undefined : didYouMean(name, known, LETTERS_PER_SLIP);
}

const LETTERS_PER_SLIP = 5;

/** Attributes of the store modules, which take effect at their next start. */
function defineStoreAttributes(attributes: Attributes): void {
  attributes.define("content.adopt", "0", { check: checkFlag });
  attributes.define("content.collect-period", "infinity", { check: checkDelay });
  attributes.define("content.wait", "30s", { check: checkDelay });
  attributes.define("kvs.checkpoint-period", "10m", { check: checkDelay });
  attributes.define("kvs.checkpoints", "5", { check: checkCount(0) });
  attributes.define("kvs.history", "1", { check: checkCount(1) });
}

function checkCount(least: number): (value: string) => string | undefined {
  return (value) =>
    /^\d{1,6}$/.test(value) && Number(value) >= least ? undefined : `must be a whole number from ${least} on`;
}

function checkThread(value: string): string | undefined {
  return value === "own" || value === "shared" ? undefined : "must be own or shared";
}

function checkFlag(value: string): string | undefined {
  return value === "0" || value === "1" ? undefined : "must be 0 or 1";
}

function checkOneOf(...words: readonly string[]): (value: string) => string | undefined {
  return (value) => (words.includes(value) ? undefined : `must be ${words.join(" or ")}`);
}

function checkLogLevel(value: string): string | undefined {
  return parseLogLevel(value) === undefined ? "must be a level from 0 to 7, or its name" : undefined;
}

function checkDelay(value: string): string | undefined {
  return parseDelay(value) === undefined
    ? "must be seconds, a duration such as 500ms or 2m, or infinity"
    : undefined;
}

function checkPeriod(value: string): string | undefined {
  const periodMs = parseDelay(value) ?? 0;
  return periodMs > 0 ? undefined : "must be seconds or a duration such as 500ms or 2m, more than 0";
}

function checkQuorum(size: number): (value: string) => string | undefined {
  return (value) => {
    const count = /^\d{1,10}$/.test(value) ? Number(value) : NaN;
    return count >= 1 && count <= size ? undefined : `must be a number of ranks from 1 to ${size}`;
  };
}

function checkKeptEvents(value: string): string | undefined {
  return /^\d{1,12}$/.test(value) ? undefined : "must be a number of bytes";
}

function checkMaxPayload(value: string): string | undefined {
  const bytes = /^\d+$/.test(value) ? Number(value) : NaN;
  return bytes >= 1 && bytes <= WIRE_LIMITS.payloadBytes
    ? undefined
    : `must be a number of bytes from 1 to ${WIRE_LIMITS.payloadBytes}`;
}
