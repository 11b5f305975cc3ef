/**
 * The code of the thread that draws one picture. Only this thread loads Graphviz and the drawing of PNG, so that
 * programs that draw nothing do not load them.
 */
import { parentPort, workerData } from "node:worker_threads";
import { messageOf } from "../errors/index.js";
import { draw } from "./draw.js";
import type { Drawing, DrawReport } from "./draw-port.js";

async function report(): Promise<DrawReport> {
  try {
    return { ok: true, drawn: await draw(workerData as Drawing) };
  } catch (error) {
    return { ok: false, message: messageOf(error), cause: error instanceof Error ? error.cause : undefined };
  }
}

void report().then((drawn) => parentPort?.postMessage(drawn));
