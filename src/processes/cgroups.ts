import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { isLost } from "./mark.js";
import { signalProcess } from "./signals.js";
import { sleep } from "./timers.js";

/** The prefix of the directories' names. The mark of the processes follows. */
const PREFIX = "sluice-";

/** A service manager that delegates a cgroup puts the broker itself there (`DelegateSubgroup=`), beside its programs. */
const BROKER_SUBGROUP = "broker";

const SWITCH_OFF = "SLUICE_NO_CGROUP";

/** How long the removal of a cgroup's directory may take after the kill. */
const REMOVE_TRIES = 50;
const REMOVE_AGAIN_MS = 20;

/** The places where this process can make cgroups (docs/design/programs.md §1). */
export interface CgroupPlaces {
  /** The directory in version 2, for finding and killing. */
  readonly unified: string | undefined;
  /** The directory in version 1, for limits of memory. */
  readonly memory: string | undefined;
}

let places: CgroupPlaces | undefined;

/** The places of this process; none if the environment forbids it. */
export function cgroupPlaces(): CgroupPlaces {
  if ((process.env[SWITCH_OFF] ?? "") !== "") return { unified: undefined, memory: undefined };
  return (places ??= findPlaces(readText("/proc/self/cgroup"), readText("/proc/self/mountinfo"), isUsable));
}

/**
 * @param own lines `ID:CONTROLLERS:PATH` of a process (proc(5), `cgroup`)
 * @param mounts lines of its `mountinfo`
 * @param isUsableAt whether cgroups can be made in a directory
 */
export function findPlaces(
  own: string,
  mounts: string,
  isUsableAt: (directory: string) => boolean,
): CgroupPlaces {
  const lines = own.split("\n").map((line) => /^\d+:(?<controllers>[^:]*):(?<path>.*)$/.exec(line)?.groups);
  const pathOf = (isOurs: (controllers: readonly string[]) => boolean): string | undefined =>
    lines.find((line) => isOurs(line?.["controllers"]?.split(",") ?? ["none"]))?.["path"];
  const unified = directoryOf(
    pathOf((names) => names.join() === ""),
    mounts,
    (type) => type === "cgroup2",
  );
  const memory = directoryOf(
    pathOf((names) => names.includes("memory")),
    mounts,
    (type, options) => type === "cgroup" && options.includes("memory"),
  );
  return {
    unified: [beside(unified), unified].find((each) => each !== undefined && isUsableAt(each)),
    memory: memory !== undefined && isUsableAt(memory) ? memory : undefined,
  };
}

/** A cgroup with no process of its own, into which only a service manager has put this one. */
function beside(directory: string | undefined): string | undefined {
  return directory !== undefined && basename(directory) === BROKER_SUBGROUP ? dirname(directory) : undefined;
}

function directoryOf(
  path: string | undefined,
  mounts: string,
  isOurs: (type: string, options: readonly string[]) => boolean,
): string | undefined {
  if (path === undefined) return undefined;
  for (const line of mounts.split("\n")) {
    const [before = "", after = ""] = line.split(" - ");
    const [, , , root = "", point = ""] = before.split(" ").map(unescaped);
    const [type = "", , options = ""] = after.split(" ");
    if (!isOurs(type, options.split(","))) continue;
    // Cgroups outside the mounted part cannot be reached.
    if (root === "/") return resolve(join(point, path));
    if (path === root || path.startsWith(`${root}/`)) return resolve(join(point, path.slice(root.length)));
  }
  return undefined;
}

/** Spaces are octal in `mountinfo`. */
function unescaped(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
}

/** Moving a process requires the right to write here. */
function isUsable(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK);
    accessSync(join(directory, "cgroup.procs"), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * The cgroup file for memory limits on this host, which {@link ProgramCgroup.make} uses; undefined if the kernel
 * cannot enforce limits.
 */
export function memoryLimitFile(): "memory.max" | "memory.limit_in_bytes" | undefined {
  const { unified, memory } = cgroupPlaces();
  if (unified !== undefined && canLimit(unified)) return "memory.max";
  return memory === undefined ? undefined : "memory.limit_in_bytes";
}

/** A controller is available only to cgroups in a cgroup without a process, or in the outermost one. */
function canLimit(unified: string): boolean {
  const words = (file: string): string[] => readText(join(unified, file)).split(/\s+/).filter(Boolean);
  if (words("cgroup.subtree_control").includes("memory")) return true;
  if (!words("cgroup.controllers").includes("memory")) return false;
  return words("cgroup.procs").length === 0 || !existsSync(join(unified, "cgroup.type"));
}

/** The cgroups of one program, with all processes that it starts, in any session or group. */
export class ProgramCgroup {
  /** The cgroups that processes join. The first one identifies them. */
  readonly directories: readonly string[];
  /** The directory of the memory limit; undefined without a limit. */
  readonly #limited: string | undefined;

  private constructor(directories: readonly string[], limited: string | undefined) {
    this.directories = directories;
    this.#limited = limited;
  }

  /**
   * Makes them.
   * @param mark the mark of the program
   * @returns undefined where the process cannot make one
   */
  static make(mark: string, memoryLimitBytes: number | undefined): ProgramCgroup | undefined {
    const { unified, memory } = cgroupPlaces();
    const made = madeIn(unified, mark);
    if (memoryLimitBytes === undefined || memoryLimitBytes === Infinity) {
      return made === undefined ? undefined : new ProgramCgroup([made], undefined);
    }
    if (made !== undefined && unified !== undefined) {
      tryWrite(join(unified, "cgroup.subtree_control"), "+memory");
      if (tryWrite(join(made, "memory.max"), String(memoryLimitBytes))) {
        tryWrite(join(made, "memory.oom.group"), "1");
        return new ProgramCgroup([made], made);
      }
    }
    const limited = madeIn(memory, mark);
    const isLimited =
      limited !== undefined && tryWrite(join(limited, "memory.limit_in_bytes"), String(memoryLimitBytes));
    const directories = [made, limited].filter((each) => each !== undefined);
    if (directories.length === 0) return undefined;
    return new ProgramCgroup(directories, isLimited ? limited : undefined);
  }

  /** Whether the kernel enforces the memory limit. */
  get limitsMemory(): boolean {
    return this.#limited !== undefined;
  }

  /** Whether the kernel has killed a process because of its memory. */
  get wasOverLimit(): boolean {
    if (this.#limited === undefined) return false;
    const files = ["memory.events", "memory.oom_control"].map((file) =>
      readText(join(this.#limited ?? "", file)),
    );
    return files.some((text) => Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0) > 0);
  }

  /** Kills all processes in the cgroups, and removes the cgroups. */
  async clear(): Promise<void> {
    await Promise.all(this.directories.map(clear));
  }
}

/** Kills the processes that programs of killed brokers have left, and removes their cgroups. */
export async function clearLostCgroups(): Promise<void> {
  const all = Object.values(cgroupPlaces()) as readonly (string | undefined)[];
  const lost = all.flatMap((place) =>
    place === undefined
      ? []
      : namesIn(place)
          .filter((name) => name.startsWith(PREFIX) && isLost(name.slice(PREFIX.length)))
          .map((name) => join(place, name)),
  );
  await Promise.all(lost.map(clear));
}

async function clear(directory: string): Promise<void> {
  for (let tries = 0; tries < REMOVE_TRIES && !isRemoved(directory); tries++) {
    if (!tryWrite(join(directory, "cgroup.kill"), "1")) killEach(directory);
    await sleep(REMOVE_AGAIN_MS);
  }
}

/** A program may have made cgroups of its own in there. */
function isRemoved(directory: string): boolean {
  for (const name of namesIn(directory)) isRemoved(join(directory, name));
  try {
    rmdirSync(directory);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT";
  }
}

function killEach(directory: string): void {
  for (const name of namesIn(directory)) killEach(join(directory, name));
  for (const pid of readText(join(directory, "cgroup.procs")).split("\n").filter(Boolean)) {
    signalProcess(Number(pid), "SIGKILL");
  }
}

function madeIn(place: string | undefined, mark: string): string | undefined {
  if (place === undefined) return undefined;
  const directory = join(place, `${PREFIX}${mark}`);
  try {
    mkdirSync(directory);
    return directory;
  } catch {
    // After any failure, the program runs without a cgroup.
    return undefined;
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch {
    return [];
  }
}

function tryWrite(file: string, text: string): boolean {
  try {
    writeFileSync(file, text, { flag: "r+" });
    return true;
  } catch {
    return false;
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
