import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { BUILT_HOST, fixture } from "./support/session.js";

/** A host that is started as any runner may start it. */
function startHost(env: Record<string, string> = { SLUICE_RC_URI: "fd://3" }): {
  child: ChildProcess;
  socket: Socket;
} {
  const [file, ...args] = BUILT_HOST.command;
  const child = spawn(file, args, { stdio: ["ignore", "ignore", "pipe", "pipe"], env });
  const socket = child.stdio[3];
  if (!(socket instanceof Socket)) throw new Error("no socket");
  return { child, socket };
}

describe("the host process", () => {
  test("exits when the runner has gone", async () => {
    const { child, socket } = startHost();
    socket.write('{"op":"init","state":{}}\n');
    socket.write(`${JSON.stringify({ op: "read", file: fixture("work.ts"), setup: false })}\n`);
    await once(socket, "data");
    socket.write('{"op":"run","task":"waits"}\n');
    const exited = once(child, "exit");
    socket.destroy();
    expect(await exited).toEqual([0, null]);
  });

  test("exits when it is told to", async () => {
    const { child, socket } = startHost();
    const exited = once(child, "exit");
    socket.write('{"op":"exit"}\n');
    expect(await exited).toEqual([0, null]);
  });

  test("refuses to run by hand", async () => {
    const { child } = startHost({});
    expect((await once(child, "exit"))[0]).toBe(1);
  });
});
