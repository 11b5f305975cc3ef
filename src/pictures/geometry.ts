/** A point in pixels, from the upper left. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A size in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/**
 * A curve beside another, at a distance to its right. It moves each point along the normal of the curve at that
 * point.
 */
export function beside(points: readonly Point[], distance: number): Point[] {
  if (distance === 0) return [...points];
  return points.map((point, i) => {
    const along = direction(points, i);
    return { x: point.x - along.y * distance, y: point.y + along.x * distance };
  });
}

/** A vector of length 1, from the nearest different points on both sides. */
function direction(points: readonly Point[], at: number): Point {
  const here = points[at] ?? { x: 0, y: 0 };
  const before = points[at - 1] ?? here;
  const after = points[at + 1] ?? here;
  const x = after.x - before.x;
  const y = after.y - before.y;
  const length = Math.hypot(x, y);
  return length === 0 ? { x: 1, y: 0 } : { x: x / length, y: y / length };
}

/** A curve as the path data of SVG. */
export function pathData(points: readonly Point[]): string {
  const [start, ...rest] = points.map(({ x, y }) => `${rounded(x)},${rounded(y)}`);
  return start === undefined ? "" : `M${start}C${rest.join(" ")}`;
}

function rounded(pixels: number): number {
  return Math.round(pixels * 10) / 10;
}
