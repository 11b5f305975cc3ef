import { readFile } from "node:fs/promises";

/**
 * Where a WASI program finds its channel: it has only the descriptors that it is given, and none above the first
 * three.
 */
const CHANNEL_IN_WASI = 0;

/** Standard output goes to the same place as errors, as with every module. */
const STDERR_FD = 2;

/**
 * Runs a WASI program that uses the wire form itself, on the descriptor that `SLUICE_MODULE_URI` names there. Returns
 * when it has ended. Its reads block this thread, which has no other work.
 * @param path the module, with `_start` and `memory`, in the form that compilers give commands
 * @param channelFd the descriptor here
 * @returns its exit status
 */
export async function runWasi(path: string, channelFd: number): Promise<number> {
  // Few modules need it. Its load warns.
  const { WASI } = process.getBuiltinModule("node:wasi");
  const wasi = new WASI({
    version: "preview1",
    args: [path],
    env: { ...process.env, SLUICE_MODULE_URI: `fd://${CHANNEL_IN_WASI}` },
    stdin: channelFd,
    stdout: STDERR_FD,
    stderr: STDERR_FD,
    returnOnExit: true,
  });
  const module = await WebAssembly.compile(await readFile(path));
  const instance = await WebAssembly.instantiate(module, wasi.getImportObject());
  return wasi.start(instance);
}
