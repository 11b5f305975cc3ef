/** Modules for every loader, as files of a temporary directory: the requests `module.load`, and their shares. */
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const MODULE = fileURLToPath(new URL("./module.mjs", import.meta.url));
const PYTHON_MODULE = fileURLToPath(new URL("./module.py", import.meta.url));
const MESSAGES = new URL("../../dist/messages/index.js", import.meta.url).href;

/** A program without a loader of its own: it finds its channel, and speaks the wire form on it. */
const PROGRAM = `#!${process.execPath}
const fd = Number(/^fd:\\/\\/(\\d+)$/.exec(process.env.SLUICE_MODULE_URI)[1]);
const socket = new (require("node:net").Socket)({ fd, readable: true, writable: true });
import(${JSON.stringify(MESSAGES)}).then(async ({ socketChannel, runModuleMain, findEntry }) => {
  const path = ${JSON.stringify(MODULE)};
  const outcome = await runModuleMain(socketChannel(socket), async () => findEntry(await import(path), path));
  process.exitCode = outcome.kind === "ok" ? 0 : 1;
  socket.once("close", () => process.exit());
});
`;

/** An ordinary program with a child that has left its session and its group. */
const HIDING = "(setsid sleep 1000 &); echo up; exec sleep 1000";

/**
 * Writes the files for the loaders.
 * @param dir where to
 * @returns the configuration that the broker needs, and of each loader its part in a hundred loads and the
 *   request. The cheap ones have the larger parts.
 */
export function prepareLoaders(dir) {
  const program = join(dir, "program");
  writeFileSync(program, PROGRAM);
  chmodSync(program, 0o755);
  const configured = join(dir, "module.soak");
  writeFileSync(configured, "");
  return {
    config: { loaders: { soak: { suffixes: [".soak"], command: [program] } } },
    loaders: [
      { loader: "thread group", part: 56, request: { path: MODULE, thread: "soak" }, sharesThread: true },
      { loader: "thread", part: 30, request: { path: MODULE } },
      { loader: "process", part: 4, request: { path: MODULE, exec: true } },
      { loader: "program", part: 4, request: { path: program } },
      { loader: "python", part: 3, request: { path: PYTHON_MODULE } },
      { loader: "configured", part: 3, request: { path: configured } },
      {
        loader: "command",
        part: 12,
        request: { path: "command", command: HIDING, ready: { log: "^up$" } },
        isOrdinary: true,
      },
    ],
  };
}
