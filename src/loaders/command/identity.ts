import { ERRNO, SluiceError } from "../../errors/index.js";
import {
  hasProgramHelper,
  type Identity,
  lookUpGroup,
  lookUpUser,
  type ResourceLimit,
} from "../../processes/index.js";
import type { ModuleOptions } from "../module-options.js";
import type { ProgramOptions } from "../program-options.js";

/** The user of a program, and the variables that follow from it. */
export interface RunAs {
  readonly identity: Identity | undefined;
  readonly variables: Readonly<Record<string, string>>;
}

/**
 * Finds the user and group of a unit.
 * @throws SluiceError `LOAD_FAILED`: `EPERM` if only root could become that user or group, `ENOENT` if it does not
 *   exist
 */
export async function runAsOf({ user, group }: Pick<ProgramOptions, "user" | "group">): Promise<RunAs> {
  if (user === undefined && group === undefined) return { identity: undefined, variables: {} };
  const { uid, gid } = ownIds();
  if (user === undefined) {
    const wanted = await lookUpGroup(group ?? "");
    if (wanted === gid) return { identity: undefined, variables: {} };
    refuseUnlessRoot(uid, `group '${group ?? ""}'`);
    const groups = [...new Set([wanted, ...(process.getgroups?.() ?? [])])];
    return { identity: { uid, gid: wanted, groups }, variables: {} };
  }
  const known = await lookUpUser(user, group);
  const variables = { HOME: known.home, USER: known.name, LOGNAME: known.name, SHELL: known.shell };
  if (known.identity.uid === uid && known.identity.gid === gid) return { identity: undefined, variables };
  refuseUnlessRoot(uid, `user '${user}'`);
  return { identity: known.identity, variables };
}

function ownIds(): { uid: number; gid: number } {
  return { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
}

function refuseUnlessRoot(uid: number, what: string): void {
  if (uid === 0) return;
  throw new SluiceError(
    "LOAD_FAILED",
    `${what}: only a broker that runs as root can start a program as another user or group; run the broker as root, or remove the key`,
    {
      errnum: ERRNO.EPERM,
    },
  );
}

/** The limits of a unit. */
export function limitsIn(limits: ProgramOptions["limits"] = {}): ResourceLimit[] {
  return Object.entries(limits).map(([name, text]) => {
    const [soft = 0, hard = soft] = text
      .split(":")
      .map((part) => (part === "infinity" ? Infinity : Number(part)));
    return { name, soft, hard };
  });
}

/**
 * Refuses keys that need the helper if it is missing, and names them.
 * @throws SluiceError `LOAD_FAILED` with `ENOSYS`
 */
export function refuseWithoutHelper(options: ProgramOptions & Pick<ModuleOptions, "watchdogMs">): void {
  if (hasProgramHelper()) return;
  const { user, group, limits = {}, ready, alive, watchdogMs = 0 } = options;
  const wanted = [
    ...(user === undefined ? [] : ["user"]),
    ...(group === undefined ? [] : ["group"]),
    ...(Object.keys(limits).length === 0 ? [] : ["limits"]),
    ...(ready?.notify === true ? ["ready.notify"] : []),
    ...(alive?.notify === true ? ["alive.notify"] : []),
    ...(watchdogMs > 0 ? ["watchdog"] : []),
  ];
  if (wanted.length === 0) return;
  throw new SluiceError(
    "LOAD_FAILED",
    `no helper sluice-init for ${wanted.join(", ")}, because the build found no C compiler`,
    { errnum: ERRNO.ENOSYS },
  );
}
