import { once } from "node:events";
import type { Worker } from "node:worker_threads";
import { messageOf, SluiceError } from "../errors/index.js";
import { sleep, startThread } from "../processes/index.js";
import type { Picture } from "../graph/index.js";
import type { Drawing, DrawnPicture, DrawReport } from "./draw-port.js";
import { pictureTitle } from "./title.js";

/** How to draw a picture. */
export interface RenderPictureOptions {
  /** `svg`: a text that uses the light or dark theme of its viewer. `png`: bytes, with a white background. */
  readonly format: "svg" | "png";
  /** The title above the picture; by default the text of {@link pictureTitle}. */
  readonly title?: string | undefined;
  /**
   * Pixels of a PNG for each pixel of the SVG, above 0. The default is 2, so that text is sharp on most
   * screens.
   */
  readonly scale?: number | undefined;
  /**
   * Longest layout time, in milliseconds. After this time, the picture has one box for each level. Default:
   * 20,000.
   */
  readonly layoutTimeoutMs?: number | undefined;
  /** Cancels the drawing and its thread. The promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

const DRAW_MAIN = new URL("../pictures/draw-main.cjs", import.meta.url);
const LAYOUT_TIMEOUT_MS = 20_000;

/**
 * Draws a picture of a plan with Graphviz, in a separate thread. The caller's event loop stays free.
 *
 * In plans of more than 120 units, several units share a box. Units in a row share a box. Parallel units with
 * the same neighbours share one too. If the picture is still too large, all units of a level share a box.
 * @param picture the result of `pictureOf`
 * @returns the picture, its size in pixels, and how many units share a box with others
 * @throws SluiceError `GRAPH_PICTURE` if Graphviz fails, or this machine cannot draw PNG. `USAGE` if a scale
 *   or time is not a positive number.
 */
export async function renderPicture(picture: Picture, options: RenderPictureOptions): Promise<DrawnPicture> {
  const {
    format,
    title = pictureTitle(picture),
    scale = 2,
    layoutTimeoutMs = LAYOUT_TIMEOUT_MS,
    signal,
  } = options;
  if (!isPositive(scale) || !isPositive(layoutTimeoutMs))
    throw new SluiceError("USAGE", "the scale of a picture and its time must be numbers above 0");
  const drawing = { picture, format, title, scale } as const;
  const drawn = await drawInThread({ ...drawing, folding: "as-needed" }, signal, layoutTimeoutMs);
  if (drawn !== undefined) return drawn;
  const byLevel = await drawInThread({ ...drawing, folding: "levels" }, signal, undefined);
  if (byLevel === undefined)
    throw new SluiceError("INTERNAL", "the layout of a picture without a time limit has timed out");
  return byLevel;
}

function isPositive(value: number): boolean {
  return Number.isFinite(value) && value > 0;
}

/** @returns undefined if the time ran out first */
async function drawInThread(
  drawing: Drawing,
  signal: AbortSignal | undefined,
  timeoutMs: number | undefined,
): Promise<DrawnPicture | undefined> {
  signal?.throwIfAborted();
  const worker = startThread(DRAW_MAIN, { workerData: drawing });
  const stop = new AbortController();
  try {
    return await Promise.race([
      outcomeOf(worker),
      ...(timeoutMs === undefined ? [] : [sleep(timeoutMs, stop.signal).then(() => undefined)]),
      ...(signal === undefined ? [] : [abortionOf(signal, stop.signal)]),
    ]);
  } finally {
    stop.abort();
    await worker.terminate();
  }
}

/** Rejects with the reason of the signal, or with the reason of `stop` when no caller waits any more. */
async function abortionOf(signal: AbortSignal, stop: AbortSignal): Promise<undefined> {
  await once(signal, "abort", { signal: stop });
  signal.throwIfAborted();
}

function outcomeOf(worker: Worker): Promise<DrawnPicture> {
  return new Promise((resolve, reject) => {
    worker.once("message", (report: DrawReport) => {
      if (report.ok) resolve(report.drawn);
      else reject(new SluiceError("GRAPH_PICTURE", report.message, { cause: report.cause }));
    });
    worker.once("error", (error) => {
      reject(
        new SluiceError("GRAPH_PICTURE", `cannot draw the picture: ${messageOf(error)}`, { cause: error }),
      );
    });
    worker.once("exit", (status) => {
      reject(
        new SluiceError(
          "GRAPH_PICTURE",
          `cannot draw the picture: the drawing thread ended with status ${status}`,
        ),
      );
    });
  });
}
