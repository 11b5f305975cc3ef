import { statSync, type Stats } from "node:fs";
import { join } from "node:path";
import { overlayStateError, systemMessage } from "../errors/index.js";

/** How a broker shows to the servers that it may connect. The broker reads files anew at each connect. */
export interface NatsCredentials {
  /** A file of credentials, as `nsc` makes it. */
  readonly creds?: string | undefined;
  /** A file with the seed of a key. */
  readonly nkey?: string | undefined;
  readonly tlsCa?: string | undefined;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  /** Where the service manager puts files of credentials: each kind that the fields above do not name comes from there. */
  readonly directory?: string | undefined;
}

type CredentialFile = Exclude<keyof NatsCredentials, "directory">;

/** The names that the files have in the directory of a service manager (docs/design/hosts.md §1). */
const NAMES = {
  creds: "sluice-nats.creds",
  nkey: "sluice-nats.nk",
  tlsCa: "sluice-nats.ca",
  tlsCert: "sluice-nats.crt",
  tlsKey: "sluice-nats.key",
} as const satisfies Readonly<Record<CredentialFile, string>>;

/** Files with one purpose: a flag for one of them replaces them all. */
const GROUPS: readonly (readonly CredentialFile[])[] = [["creds", "nkey"], ["tlsCa"], ["tlsCert", "tlsKey"]];

/** Only these are secret; certificates are public. */
const SECRET: ReadonlySet<CredentialFile> = new Set(["creds", "nkey", "tlsKey"]);

/**
 * Adds the files that a service manager has put into the directory of the credentials. It reads them there at
 * each call.
 * @param hasUser the list of servers has a user: then the directory gives no other one
 * @throws SluiceError `BROKER_STATE` `EACCES` that names each file which another user could have read or written, and each
 *   missing one of a certificate and its key
 */
export function withHandedFiles(credentials: NatsCredentials, hasUser: boolean): NatsCredentials {
  const { directory = "", ...given } = credentials;
  if (directory === "") return given;
  const isNamed = (group: readonly CredentialFile[]): boolean =>
    group.some((file) => given[file] !== undefined) || (hasUser && group.includes("creds"));
  const problems: string[] = [];
  const handed: Partial<Record<CredentialFile, string>> = {};
  for (const file of GROUPS.filter((group) => !isNamed(group)).flat()) {
    const path = join(directory, NAMES[file]);
    const stats = statsOf(path, problems);
    if (stats === undefined) continue;
    handed[file] = path;
    const problem = problemOf(stats, path, SECRET.has(file));
    if (problem !== undefined) problems.push(`${path} ${problem}`);
  }
  if ((handed.tlsCert === undefined) !== (handed.tlsKey === undefined)) {
    const missing = handed.tlsKey === undefined ? NAMES.tlsKey : NAMES.tlsCert;
    problems.push(`${join(directory, missing)} is missing: a certificate and its key go together`);
  }
  if (problems.length > 0) throw overlayStateError(problems.join("; "), "EACCES");
  return { ...given, ...handed };
}

/** @returns undefined for a missing file, and for one with a problem that is noted */
function statsOf(path: string, problems: string[]): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    problems.push(`${path}: ${systemMessage(error)}`);
    return undefined;
  }
}

/** The right of the service to read may be an entry of an access list, which the mode shows as a right of the group. */
function problemOf({ uid, mode }: Stats, path: string, isSecret: boolean): string | undefined {
  const self = process.geteuid?.() ?? 0;
  if (uid !== 0 && uid !== self)
    return `is owned by user ${uid}, not by root or this user; try: chown ${self} ${path}`;
  if ((mode & 0o022) !== 0) return `may be written by other users; try: chmod 600 ${path}`;
  if (isSecret && (mode & 0o004) !== 0) return `may be read by other users; try: chmod 600 ${path}`;
  return undefined;
}
