import { open, type FileHandle } from "node:fs/promises";
import { ERRNO, SluiceError } from "../../errors/index.js";

/**
 * Opens a Node-API addon. `require` takes one only by its suffix.
 * @param cacheDir where to open a copy of it; undefined: opens the file itself
 * @returns its exports
 * @throws SluiceError `LOAD_FAILED` for one that needs a newer Node-API; an Error if the system refuses it
 */
export async function openAddon(path: string, cacheDir?: string): Promise<Readonly<Record<string, unknown>>> {
  await refuseAddon(path);
  if (cacheDir === undefined) return opened(path);
  // No thread loads it at its start, because few threads need it.
  const { addonCopy } = await import("./addon-copy.js");
  const copy = await addonCopy(path, cacheDir);
  if (copy === undefined) return opened(path);
  try {
    return opened(copy);
  } catch {
    // The addon may need libraries beside it, or the system may run no file in the directory of the copy.
    return opened(path);
  }
}

function opened(path: string): Readonly<Record<string, unknown>> {
  const module = { exports: {} };
  process.dlopen(module, path);
  return module.exports;
}

/** @throws SluiceError `LOAD_FAILED` for an addon that does not fit; a system error if it cannot be read */
export async function refuseAddon(path: string): Promise<void> {
  const problem = await addonProblem(path);
  if (problem === undefined) return;
  throw new SluiceError("LOAD_FAILED", `${path}: ${problem}`, { errnum: ERRNO.EINVAL });
}

/** The version for functions that are still experimental. Every Node takes it. */
const EXPERIMENTAL = 2 ** 31 - 1;

/**
 * Why an addon does not fit this host. This does not open the addon, because a Node that is too old for it may crash
 * instead of throwing.
 * @param hostVersion of Node-API
 * @returns undefined for an addon that fits, that declares no version, or that is for another kind of machine
 * @throws a system error if the file cannot be read
 */
export async function addonProblem(
  path: string,
  hostVersion = Number(process.versions["napi"]),
): Promise<string | undefined> {
  const version = await nodeApiVersion(path);
  if (version === undefined || version <= hostVersion || version === EXPERIMENTAL) return undefined;
  return `is built for Node-API ${version}; this host has Node-API ${hostVersion}`;
}

/**
 * The function of an addon that gives its version. This reads the version from its code, because compilers
 * make it a constant.
 */
const VERSION_FUNCTION = "node_api_module_get_api_version_v1\0";

/** A larger table belongs to no addon. */
const TABLE_BYTES = 64 * 1024 * 1024;

const CODE_BYTES = 32;

/** Sizes of the parts of an ELF file of 64 bits. */
const ELF = { header: 64, section: 64, segment: 56, symbol: 24 } as const;

const SECTION_OF_SYMBOLS = 11;
const SEGMENT_IN_MEMORY = 1;

/** The version of Node-API for which an addon was built; undefined if it is unknown. */
async function nodeApiVersion(path: string): Promise<number | undefined> {
  const file = await open(path);
  try {
    const header = await read(file, 0, ELF.header);
    const isKnown = header?.toString("latin1", 0, 4) === "\x7fELF" && header[4] === 2 && header[5] === 1;
    if (header === undefined || !isKnown) return undefined;
    const address = await addressOf(file, header);
    const code = address === undefined ? undefined : await codeAt(file, header, address);
    return code && constantOf(code, header.readUInt16LE(18));
  } finally {
    await file.close();
  }
}

/** The address of the function in memory. */
async function addressOf(file: FileHandle, header: Buffer): Promise<bigint | undefined> {
  const count = header.readUInt16LE(60);
  const sections = await read(file, header.readBigUInt64LE(40), count * ELF.section);
  if (sections === undefined) return undefined;
  const table = (at: number): Promise<Buffer | undefined> =>
    at + ELF.section > sections.length
      ? Promise.resolve(undefined)
      : read(file, sections.readBigUInt64LE(at + 24), Number(sections.readBigUInt64LE(at + 32)));
  for (let at = 0; at < sections.length; at += ELF.section) {
    if (sections.readUInt32LE(at + 4) !== SECTION_OF_SYMBOLS) continue;
    const [symbols, names] = [await table(at), await table(sections.readUInt32LE(at + 40) * ELF.section)];
    if (symbols === undefined || names === undefined) return undefined;
    const name = names.indexOf(`\0${VERSION_FUNCTION}`) + 1;
    for (let s = 0; name > 0 && s + ELF.symbol <= symbols.length; s += ELF.symbol) {
      if (symbols.readUInt32LE(s) === name) return symbols.readBigUInt64LE(s + 8);
    }
  }
  return undefined;
}

async function codeAt(file: FileHandle, header: Buffer, address: bigint): Promise<Buffer | undefined> {
  const count = header.readUInt16LE(56);
  const segments = (await read(file, header.readBigUInt64LE(32), count * ELF.segment)) ?? Buffer.alloc(0);
  for (let at = 0; at < segments.length; at += ELF.segment) {
    const begin = segments.readBigUInt64LE(at + 16);
    const isIn = address >= begin && address < begin + segments.readBigUInt64LE(at + 32);
    if (segments.readUInt32LE(at) !== SEGMENT_IN_MEMORY || !isIn) continue;
    return read(file, segments.readBigUInt64LE(at + 8) + address - begin, CODE_BYTES);
  }
  return undefined;
}

/** The return value of a function that only returns a constant, by processor. */
function constantOf(code: Buffer, machine: number): number | undefined {
  const hex = code.toString("hex");
  switch (machine) {
    // x86-64: perhaps endbr64; perhaps push rbp and mov rbp, rsp; mov eax, NUMBER.
    case 62: {
      const [whole = ""] = /^(?:f30f1efa)?(?:554889e5)?b8/.exec(hex) ?? [];
      return whole === "" ? undefined : code.readInt32LE(whole.length / 2);
    }
    // arm64: perhaps bti c or paciasp; mov w0, NUMBER.
    case 183: {
      const skipped = /^(?:5f2403d5|3f2303d5)*/.exec(hex)?.[0].length ?? 0;
      const word = code.readUInt32LE(skipped / 2);
      return (word & 0xffe0001f) >>> 0 === 0x52800000 ? (word >>> 5) & 0xffff : undefined;
    }
    default:
      return undefined;
  }
}

/** Reads bytes of a file; undefined if the file has fewer, or if no addon would have so many. */
async function read(file: FileHandle, at: number | bigint, bytes: number): Promise<Buffer | undefined> {
  if (bytes > TABLE_BYTES) return undefined;
  const buffer = Buffer.alloc(bytes);
  const { bytesRead } = await file.read(buffer, 0, bytes, Number(at));
  return bytesRead === bytes ? buffer : undefined;
}
