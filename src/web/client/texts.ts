import type { LiveState } from "./model.js";

/** States in words, with a sign: not every user can distinguish colours. */
export const STATE_TEXTS: Readonly<Record<LiveState, readonly [sign: string, text: string]>> = {
  waiting: ["…", "waiting"],
  starting: ["▸", "starting"],
  ready: ["✓", "ready"],
  failed: ["✕", "failed"],
  "left-out": ["–", "left out"],
};

export function bytes(count: number | undefined): string {
  if (count === undefined) return "-";
  const mib = count / 1_048_576;
  return mib >= 1024 ? `${(mib / 1024).toFixed(1)} GiB` : `${mib.toFixed(0)} MiB`;
}

export function rate(perSecond: number): string {
  return perSecond >= 100 ? perSecond.toFixed(0) : perSecond.toFixed(1);
}

export function clock(time: number): string {
  return new Date(time * 1000).toLocaleTimeString("en-GB");
}

export function day(time: number): string {
  return new Date(time * 1000).toISOString().slice(0, 19).replace("T", " ");
}

export function duration(ms: number): string {
  return ms >= 1000 ? `${(ms / 1000).toFixed(2)} s` : `${ms.toFixed(1)} ms`;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
