import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ERRNO } from "../../src/errors/index.js";
import { fields, type Handle, type Payload } from "../../src/messages/index.js";
import { realBroker } from "./support/real-broker.js";

const FIXTURES = join(import.meta.dirname, "fixtures");
const MORTAL = join(FIXTURES, "mortal.mjs");
const PYTHON_MORTAL = join(FIXTURES, "mortal.py");
const MESSAGES = pathToFileURL(join(import.meta.dirname, "../../dist/messages/index.js")).href;

let files: string;
beforeAll(() => {
  files = mkdtempSync(join(tmpdir(), "sluice-death-"));
  const program = join(files, "mortal");
  writeFileSync(
    program,
    `#!${process.execPath}
    const fd = Number(/^fd:\\/\\/(\\d+)$/.exec(process.env.SLUICE_MODULE_URI)[1]);
    const socket = new (require("node:net").Socket)({ fd, readable: true, writable: true });
    import(${JSON.stringify(MESSAGES)}).then(async ({ socketChannel, runModuleMain, findEntry }) => {
      const path = ${JSON.stringify(MORTAL)};
      const outcome = await runModuleMain(socketChannel(socket), async () => findEntry(await import(path), path));
      process.exitCode = outcome.kind === "ok" ? 0 : 1;
      socket.once("close", () => process.exit());
    });`,
  );
  chmodSync(program, 0o755);
});
afterAll(() => rmSync(files, { recursive: true }));

type Request = Readonly<Record<string, string | boolean>>;

const LOADERS: Readonly<Record<string, () => Request>> = {
  thread: () => ({ path: MORTAL }),
  process: () => ({ path: MORTAL, exec: true }),
  program: () => ({ path: join(files, "mortal") }),
  python: () => ({ path: PYTHON_MORTAL }),
};

/** Each way to die; the module notes when in the payload of what it sends last. */
const DEATHS = {
  thread: ["exit", "throw", "cancel"],
  process: ["exit", "throw", "cancel", "SIGKILL"],
  program: ["exit", "throw", "cancel", "SIGKILL"],
  python: ["exit", "throw", "cancel", "SIGKILL"],
};

const CASES = Object.entries(DEATHS).flatMap(([loader, deaths]) =>
  deaths.map((death) => ({ loader, death })),
);

/** Has a module die. How soon others learn of it is measured by `npm run bench death`. */
async function kill(handle: Handle, death: string): Promise<void> {
  switch (death) {
    case "SIGKILL": {
      const { pid } = fields(await handle.rpc("mortal.who"), { pid: "integer" });
      process.kill(pid, "SIGKILL");
      return;
    }
    case "cancel":
      handle.notify("module.remove", { name: "mortal", cancel: true });
      return;
    default:
      handle.notify(`mortal.${death}`);
  }
}

async function nextOf(stream: AsyncIterator<Payload>): Promise<Payload> {
  const result = await stream.next();
  return result.value as Payload;
}

describe.each(CASES)("a module of the loader $loader that dies by $death", ({ loader, death }) => {
  test("fails what others ask of it, with its name, and ends its streams", async () => {
    const { broker, handle } = await realBroker();
    await handle.rpc("module.load", { ...LOADERS[loader]?.(), name: "mortal" });
    const stream = handle.rpcStream("mortal.stream");
    expect(await nextOf(stream)).toBe(1);
    const client = await broker.connect();
    const failures = [
      ...Array.from({ length: 100 }, () => handle.rpc("mortal.never")),
      ...Array.from({ length: 100 }, () => client.rpc("mortal.never")),
      nextOf(stream),
    ].map((waiting) =>
      waiting.then(
        () => "answered",
        (error: unknown) => error,
      ),
    );
    await Promise.all([handle.rpc("mortal.ping"), client.rpc("mortal.ping")]);
    await kill(handle, death);
    for (const failure of await Promise.all(failures)) {
      expect(failure).toMatchObject({ errnum: ERRNO.ECONNRESET, message: "mortal: module disconnect" });
    }
    expect(broker.pendingRequests).toBe(0);
  });
});

test("a module that dies while it waits to be heard fails what others ask of it all the same", async () => {
  const { broker, handle } = await realBroker();
  await handle.rpc("module.load", { path: MORTAL, name: "deaf" });
  await handle.rpc("module.load", { path: MORTAL, exec: true, name: "mortal" });
  await handle.rpc("module.debug", { name: "deaf", defer: true });
  await handle.rpc("mortal.flood", { topic: "deaf.never", count: 50_000 });
  // Behind the flood: what it has sent by now is held.
  const { pid } = fields(await handle.rpc("mortal.who"), { pid: "integer" });
  const client = await broker.connect();
  const never = client.rpc("mortal.never").catch((error: unknown) => error);
  await client.rpc("mortal.ping");
  process.kill(pid, "SIGKILL");
  expect(await never).toMatchObject({ errnum: ERRNO.ECONNRESET, message: "mortal: module disconnect" });
  await handle.rpc("module.remove", { name: "deaf", cancel: true });
  expect(broker.pendingRequests).toBe(0);
});
