/** A time as systemd-analyze prints it: `0`, `412us`, `23ms`, `1.204s`, `2min 3.400s`. */
export function timespan(timeNs: number): string {
  const us = Math.round(timeNs / 1000);
  if (us === 0) return "0";
  if (us < 1000) return `${us}us`;
  const ms = Math.round(timeNs / 1e6);
  if (ms < 1000) return `${ms}ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(3)}s`;
  return `${Math.floor(ms / 60_000)}min ${((ms % 60_000) / 1000).toFixed(3)}s`;
}
