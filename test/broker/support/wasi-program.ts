/**
 * A WASI program in bytes, as no compiler for it is at hand: reads its welcome, says that it runs, waits for whatever
 * comes next, and ends as it was made to.
 */
export function wasiProgram(ending: "return" | "trap"): Uint8Array {
  const report = frame({ type: "request", topic: "module.status", flags: 1, payload: "json" }, { status: 1 });
  const i32 = 0x7f;
  const types = [
    [0x60, ...vector([[i32], [i32], [i32], [i32]]), ...vector([[i32]])],
    [0x60, ...vector([]), ...vector([])],
  ];
  const imports = ["fd_read", "fd_write"].map((name) => [
    ...text("wasi_snapshot_preview1"),
    ...text(name),
    0x00,
    ...leb(0),
  ]);
  const exports = [
    [...text("memory"), 0x02, ...leb(0)],
    [...text("_start"), 0x00, ...leb(2)],
  ];
  const code = [
    ...transfer(FD_READ, READ_BUFFER, READ_BYTES),
    ...transfer(FD_WRITE, REPORT, report.length),
    ...transfer(FD_READ, READ_BUFFER, READ_BYTES),
    ...(ending === "trap" ? [UNREACHABLE] : []),
  ];
  const body = [...vector([]), ...code, END];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, vector(types)),
    ...section(2, vector(imports)),
    ...section(3, vector([leb(1)])),
    // Pages of 64 KiB.
    ...section(5, vector([[0x00, ...leb(2)]])),
    ...section(7, vector(exports)),
    ...section(10, vector([[...leb(body.length), ...body]])),
    ...section(11, vector([[0x00, CONST, ...leb(REPORT), END, ...leb(report.length), ...report]])),
  ]);
}

/** Indices of the imported functions. */
const FD_READ = 0;
const FD_WRITE = 1;

/** Places in memory. */
const VECTOR = 0;
const COUNT = 8;
const REPORT = 16;
const READ_BUFFER = 1024;
const READ_BYTES = 65_536;

const CHANNEL_FD = 0;

const UNREACHABLE = 0x00;
const END = 0x0b;
const CALL = 0x10;
const DROP = 0x1a;
const STORE = 0x36;
const CONST = 0x41;

/** Calls fd_read or fd_write with one buffer. */
function transfer(call: number, at: number, length: number): number[] {
  return [
    ...store(VECTOR, at),
    ...store(VECTOR + 4, length),
    ...[CHANNEL_FD, VECTOR, 1, COUNT].flatMap((value) => [CONST, ...leb(value)]),
    ...[CALL, ...leb(call), DROP],
  ];
}

function store(address: number, value: number): number[] {
  return [CONST, ...leb(address), CONST, ...leb(value), STORE, 0x02, 0x00];
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...leb(content.length), ...content];
}

function vector(items: readonly (readonly number[])[]): number[] {
  return [...leb(items.length), ...items.flat()];
}

function text(value: string): number[] {
  const bytes = Buffer.from(value);
  return [...leb(bytes.length), ...bytes];
}

/** Signed LEB128, which is right for small unsigned numbers as well if one group more does no harm. */
function leb(value: number): number[] {
  const groups: number[] = [];
  let rest = value;
  while (rest > 0x3f) {
    groups.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  return [...groups, rest];
}

function frame(header: object, payload: object): Buffer {
  const [head, body] = [Buffer.from(JSON.stringify(header)), Buffer.from(JSON.stringify(payload))];
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(head.length, 0);
  lengths.writeUInt32BE(body.length, 4);
  return Buffer.concat([lengths, head, body]);
}
