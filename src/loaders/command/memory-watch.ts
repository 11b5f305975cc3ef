import { readFile } from "node:fs/promises";
import { startInterval, type SupervisedProgram, type Timer } from "../../processes/index.js";

const LOOK_MS = 1000;
const KIB = 1024;

type MeasuredProgram = Pick<SupervisedProgram, "members" | "wasOverMemoryLimit">;

/**
 * Measures once a second the memory of all processes of a program. Each process counts its part of shared
 * memory (PSS). Where the kernel holds the limit, it checks whether the kernel has killed a process.
 * @param onOver called once, when the memory exceeds the limit
 */
export function watchMemory(
  program: MeasuredProgram,
  limitBytes: number,
  onOver: () => void,
): Pick<Timer, "cancel"> {
  let isLooking = false;
  const look = async (): Promise<void> => {
    if (isLooking) return;
    isLooking = true;
    const isOver = program.wasOverMemoryLimit ?? (await pssOf(program)) > limitBytes;
    isLooking = false;
    if (!isOver) return;
    interval.cancel();
    onOver();
  };
  const interval = startInterval(LOOK_MS, () => void look(), { keepsAlive: false });
  return interval;
}

async function pssOf(program: MeasuredProgram): Promise<number> {
  const members = await program.members();
  const sizes = await Promise.all(members.map(({ pid }) => pssBytes(pid)));
  return sizes.reduce((sum, bytes) => sum + bytes, 0);
}

/** PSS of one process; 0 if it has ended, or if this process cannot read the size at present. */
async function pssBytes(pid: number): Promise<number> {
  try {
    const text = await readFile(`/proc/${pid}/smaps_rollup`, "latin1");
    return Number(/^Pss:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) * KIB;
  } catch {
    return 0;
  }
}
