import type { Picture } from "../graph/index.js";
import { countsOf } from "./cards.js";

/** The content of a picture in one line: `9 modules, 2 tasks; 2 left out`, or the unit whose neighbourhood it shows. */
export function pictureTitle({ centre, nodes }: Picture): string {
  if (centre !== undefined) return `${centre}, and its direct neighbours`;
  const planned = nodes.filter(({ leftOut }) => leftOut === undefined);
  const counts = planned.length === 0 ? "nothing planned" : countsOf(planned);
  const out = nodes.length - planned.length;
  return out === 0 ? counts : `${counts}; ${out} left out`;
}
