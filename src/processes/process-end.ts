import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { Socket } from "node:net";
import { constants } from "node:os";

/** How a process ended. */
export type ProcessEnd =
  | { readonly kind: "exited"; readonly status: number }
  | { readonly kind: "killed"; readonly signal: NodeJS.Signals };

/** How long output may still come when the process has ended but something that it started holds its pipes. */
const LAST_OUTPUT_MS = 100;

/**
 * Waits until a process has ended and its output is read. What it left in the background may keep its pipes open for as
 * long as it likes: that is not waited for.
 * @throws the error of a process that could not be started, or that an AbortSignal ended
 */
export async function processEnd(child: ChildProcess): Promise<ProcessEnd> {
  const exited = once(child, "exit");
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const [status, signal] = (await exited) as [number | null, NodeJS.Signals | null];
  await atMost(LAST_OUTPUT_MS, closed);
  for (const stream of [child.stdout, child.stderr]) if (stream instanceof Socket) stream.unref();
  if (signal !== null) return { kind: "killed", signal };
  return { kind: "exited", status: status ?? 0 };
}

/** Whether it exited with status 0. */
export function isSuccess(end: ProcessEnd): boolean {
  return end.kind === "exited" && end.status === 0;
}

/** `exited with exit status N` or `died by signal N` (planning.md §8). */
export function endText(end: ProcessEnd): string {
  switch (end.kind) {
    case "exited":
      return `exited with exit status ${end.status}`;
    case "killed":
      return `died by signal ${constants.signals[end.signal]}`;
  }
}

async function atMost(limitMs: number, promise: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  await Promise.race([promise, limit]);
  clearTimeout(timer);
}
