const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
] as const;

/**
 * A duration in the spelling of unit files (docs/design/planning.md §1), in the largest unit without a fraction:
 * `90s`, `2m`, `1ms`.
 */
export function durationText(durationMs: number): string {
  for (const [suffix, sizeMs] of UNITS) {
    if (durationMs >= sizeMs && durationMs % sizeMs === 0) return `${durationMs / sizeMs}${suffix}`;
  }
  return `${durationMs}ms`;
}
