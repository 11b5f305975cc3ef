import { signal } from "@preact/signals";

export const VIEWS = ["plan", "modules", "timeline", "ranks"] as const;
export type View = (typeof VIEWS)[number];

/** The current view. The address contains it, so that users can keep and send it. */
export interface Place {
  readonly view: View;
  readonly unit: string;
  /** Undefined: the rank that answers. */
  readonly rank: number | undefined;
  /** A recorded run; 1 is the last one. */
  readonly run: number;
}

export const place = signal<Place>(readPlace());

addEventListener("popstate", () => (place.value = readPlace()));

/** Shows another view. The browser's "back" returns to the present one. */
export function go(to: Partial<Place>): void {
  const next = { ...place.value, ...to };
  const { view, unit, rank, run } = next;
  const query = new URLSearchParams({ view });
  if (unit !== "") query.set("unit", unit);
  if (rank !== undefined) query.set("rank", String(rank));
  if (run !== 1) query.set("run", String(run));
  const search = `?${query.toString()}`;
  if (search !== location.search) history.pushState(null, "", location.pathname + search);
  place.value = next;
}

function readPlace(): Place {
  const query = new URLSearchParams(location.search);
  const rank = query.get("rank");
  return {
    view: VIEWS.find((view) => view === query.get("view")) ?? "plan",
    unit: query.get("unit") ?? "",
    rank: rank === null ? undefined : Number(rank),
    run: Math.max(1, Math.floor(Number(query.get("run")) || 1)),
  };
}
