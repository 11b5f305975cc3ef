import { open } from "node:fs/promises";

/** Bytes of an ELF header up to its machine. */
const HEADER_BYTES = 20;

/** `e_machine` of the processors that Node runs on, by `process.arch`. */
const MACHINES: Readonly<Record<string, readonly [machine: number, bits: 32 | 64]>> = {
  ia32: [3, 32],
  ppc64: [21, 64],
  s390x: [22, 64],
  arm: [40, 32],
  x64: [62, 64],
  arm64: [183, 64],
  riscv64: [243, 64],
  loong64: [258, 64],
};

/**
 * Why a native file cannot run on this machine, from its first bytes: another word size or processor.
 * @returns undefined for a file that fits, and for a file that is not ELF
 * @throws a system error if it cannot be read
 */
export async function elfProblem(path: string, arch: string = process.arch): Promise<string | undefined> {
  const file = await open(path);
  try {
    const header = Buffer.alloc(HEADER_BYTES);
    const { bytesRead } = await file.read(header, 0, HEADER_BYTES, 0);
    return bytesRead < HEADER_BYTES ? undefined : problemOf(header, arch);
  } finally {
    await file.close();
  }
}

function problemOf(header: Buffer, arch: string): string | undefined {
  const own = MACHINES[arch];
  if (own === undefined || header.toString("latin1", 0, 4) !== "\x7fELF") return undefined;
  const bits = header[4] === 1 ? 32 : 64;
  const machine = header[5] === 2 ? header.readUInt16BE(18) : header.readUInt16LE(18);
  if (machine === own[0] && bits === own[1]) return undefined;
  const [name = `machine ${machine}`] =
    Object.entries(MACHINES).find(([, known]) => known[0] === machine && known[1] === bits) ?? [];
  return `is built for ${name}, ${bits} bits; this host is ${arch}, ${own[1]} bits`;
}
