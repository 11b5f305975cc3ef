import { existsSync, readdirSync, realpathSync } from "node:fs";
import { basename, dirname, extname, join, resolve } from "node:path";
import { isStartedBy } from "../../processes/index.js";
import { type Env } from "../runtime-directory.js";
import { markedInstances, type RegisteredInstance, runningInstances } from "./instance-register.js";

/** The instance that a user's name has found. */
export type FoundInstance =
  | { readonly kind: "found"; readonly uri: string; readonly instance?: RegisteredInstance | undefined }
  | { readonly kind: "missing" }
  | { readonly kind: "several"; readonly instances: readonly RegisteredInstance[] };

/** The name of an instance of files: the name of the first file, without its suffix. */
export function stackName(file: string): string {
  return basename(file, extname(file));
}

/**
 * Finds an instance of this user.
 * @param named the pid of any of its processes; its name or id; its run directory, its first file, or the directory of that
 */
export function findInstance(named: string, env: Env): FoundInstance {
  if (named.includes("://")) {
    const instance = runningInstances(env).find(({ uri }) => uri === named);
    return { kind: "found", uri: named, instance };
  }
  if (/^\d+$/.test(named)) {
    const found = oneOf(
      markedInstances(env).filter(
        ({ pid, mark }) => pid === Number(named) || isStartedBy(Number(named), mark),
      ),
    );
    if (found.kind !== "missing") return found;
  }
  const byName = runningInstances(env).filter(({ name, id }) => name === named || id === named);
  return byName.length > 0 ? oneOf(byName) : findByPath(named, env);
}

/** The instance of this user, if there is exactly one. */
export function findOnlyInstance(env: Env): FoundInstance {
  return oneOf(runningInstances(env));
}

/** The instances with this first file, by its real path. */
export function instancesOf(file: string, env: Env): RegisteredInstance[] {
  return runningInstances(env).filter(({ files }) => files[0] === file);
}

function findByPath(named: string, env: Env): FoundInstance {
  const path = existsSync(named) ? realpathSync(named) : resolve(named);
  const running = runningInstances(env);
  const byPlace = running.filter(
    ({ rundir, files: [first] }) =>
      rundir === path || first === path || (first !== undefined && dirname(first) === path),
  );
  if (byPlace.length > 0) return oneOf(byPlace);
  const socket = socketAt(path);
  return socket === undefined ? { kind: "missing" } : { kind: "found", uri: `local://${socket}` };
}

/** The entry of an instance that no command of ours has started, such as one inside another program. */
function socketAt(path: string): string | undefined {
  if (/^local-\d+$/.test(basename(path)) && existsSync(path)) return path;
  try {
    const [first] = readdirSync(path)
      .flatMap((name) => /^local-(\d+)$/.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b);
    return first === undefined ? undefined : join(path, `local-${first}`);
  } catch {
    // The path is not a directory, or this user may not read it.
    return undefined;
  }
}

/** Several ranks of one instance on this machine count as one instance. The first of them answers. */
function oneOf(instances: readonly RegisteredInstance[]): FoundInstance {
  const byId = new Map<string, RegisteredInstance>();
  for (const instance of instances) {
    const known = byId.get(instance.id);
    if (known === undefined || instance.rank < known.rank) byId.set(instance.id, instance);
  }
  const [first, ...others] = byId.values();
  if (first === undefined) return { kind: "missing" };
  return others.length === 0
    ? { kind: "found", uri: first.uri, instance: first }
    : { kind: "several", instances: [first, ...others] };
}
