import { open } from "node:fs/promises";

/** Offsets and numbers of ELF (elf(5)), by the width of its addresses. */
const LAYOUTS = {
  1: { headersAt: 28, headerSize: 42, headerCount: 44, fileOffset: 4, fileSize: 16, entry: 8 },
  2: { headersAt: 32, headerSize: 54, headerCount: 56, fileOffset: 8, fileSize: 32, entry: 16 },
} as const;

type Layout = (typeof LAYOUTS)[keyof typeof LAYOUTS];

const TYPE_SHARED = 3;
const SEGMENT_DYNAMIC = 2;
const SEGMENT_INTERPRETER = 3;
const TAG_FLAGS_1 = 0x6ffffffbn;
/** A program that needs no interpreter, and may be put at any address. */
const FLAG_PIE = 0x08000000n;
/** Linkers never write larger values. The reader stops at one. */
const MOST_BYTES = 65_536;

/**
 * Whether a file is an ELF shared object: it has that type and no interpreter, and is not marked as a program.
 * @param path of any file
 * @throws a system error if it cannot be read
 */
export async function isSharedObject(path: string): Promise<boolean> {
  const file = await open(path);
  const read = async (at: number, length: number): Promise<DataView> => {
    const size = Math.min(length, MOST_BYTES);
    const { bytesRead, buffer } = await file.read(new Uint8Array(size), 0, size, at);
    return new DataView(buffer.buffer, 0, bytesRead);
  };
  try {
    return await looksShared(read);
  } catch (error) {
    // The file is cut off, or its content does not match its header.
    if (error instanceof RangeError) return false;
    throw error;
  } finally {
    await file.close();
  }
}

type Read = (at: number, length: number) => Promise<DataView>;

async function looksShared(read: Read): Promise<boolean> {
  const head = await read(0, 64);
  const layouts: Readonly<Record<number, Layout | undefined>> = LAYOUTS;
  const layout = layouts[head.getUint8(4)];
  const isLittle = head.getUint8(5) === 1;
  if (head.getUint32(0) !== 0x7f454c46 || layout === undefined) return false;
  if (head.getUint16(16, isLittle) !== TYPE_SHARED) return false;
  const word = (view: DataView, at: number): bigint =>
    layout.entry === 16 ? view.getBigUint64(at, isLittle) : BigInt(view.getUint32(at, isLittle));
  const size = head.getUint16(layout.headerSize, isLittle);
  const count = head.getUint16(layout.headerCount, isLittle);
  const segments = await read(Number(word(head, layout.headersAt)), size * count);
  for (let at = 0; at < size * count; at += size) {
    const type = segments.getUint32(at, isLittle);
    if (type === SEGMENT_INTERPRETER) return false;
    if (type !== SEGMENT_DYNAMIC) continue;
    const offset = Number(word(segments, at + layout.fileOffset));
    const dynamic = await read(offset, Number(word(segments, at + layout.fileSize)));
    if (isMarkedAsProgram(dynamic, layout.entry, word)) return false;
  }
  return true;
}

/** Entries are pairs of words, a tag and its value. */
function isMarkedAsProgram(
  dynamic: DataView,
  entry: number,
  word: (view: DataView, at: number) => bigint,
): boolean {
  for (let at = 0; at + entry <= dynamic.byteLength; at += entry) {
    if (word(dynamic, at) !== TAG_FLAGS_1) continue;
    return (word(dynamic, at + entry / 2) & FLAG_PIE) !== 0n;
  }
  return false;
}
