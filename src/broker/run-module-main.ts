/**
 * The program that `sluice.run_module()` of Python starts: it runs one module. Standard input is a socket for
 * orders and reports, each a line of JSON. The process ends when the socket does. It therefore never outlives
 * the process that gives the orders.
 */
import { Socket } from "node:net";
import { createInterface } from "node:readline";
import { errnumOf, messageOf, stackOf } from "../errors/index.js";
import { fields, type JsonValue } from "../messages/index.js";
import { outliveSignals } from "../processes/index.js";
import { startModule } from "./start-module.js";
import type { StartedModule } from "./started-module.js";

const START = {
  path: "string",
  name: "string?",
  args: "string[]",
  exec: "boolean",
  loader: "string?",
  modulePath: "string?",
  insecure: "boolean",
  timeoutMs: "number?",
} as const;

const socket = new Socket({ fd: 0, readable: true, writable: true });

async function main(): Promise<void> {
  outliveSignals();
  // It has ended without a message, as a killed process does. The end of its orders follows.
  socket.on("error", () => socket.destroy());
  const orders = createInterface({ input: socket })[Symbol.asyncIterator]();
  const first = await orders.next();
  if (first.done === true) return;
  const { path, exec, loader, insecure, ...rest } = fields(parse(first.value), START);
  const { modulePath = process.env["FLUX_MODULE_PATH"], ...how } = rest;
  try {
    const module = await startModule({ path, exec, loader, modulePath, insecure }, { ...how, socket: true });
    report({ kind: "running", name: module.name, uri: module.uri ?? "" });
    void module.exited.then((exit) => report({ kind: "exited", exit }));
    for await (const line of orders) {
      const order = fields(parse(line), { kind: "string", id: "integer?", timeoutMs: "number?" });
      if (order.kind === "unload") break;
      void stop(module, order);
    }
    await module.unload();
  } catch (error) {
    const stack = stackOf(error);
    report({ kind: "failed", ...errorFields(error), ...(stack !== undefined && { stack }) });
  }
  socket.destroySoon();
}

async function stop(
  module: StartedModule,
  { id = 0, timeoutMs }: { readonly id?: number | undefined; readonly timeoutMs?: number | undefined },
): Promise<void> {
  try {
    await module.stop({ timeoutMs });
    report({ kind: "stopped", id });
  } catch (error) {
    report({ kind: "stopped", id, ...errorFields(error) });
  }
}

function errorFields(error: unknown): { readonly errnum: number | null; readonly error: string } {
  return { errnum: errnumOf(error) ?? null, error: messageOf(error) };
}

function parse(line: string): JsonValue {
  return JSON.parse(line) as JsonValue;
}

function report(value: object): void {
  if (socket.writable) socket.write(`${JSON.stringify(value)}\n`);
}

void main();
