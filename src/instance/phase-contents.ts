import type { PhaseContents } from "../graph/index.js";
import type { RcReading } from "../rc/index.js";

/** The requests of rc files, by name. */
export function contentsOf({ tasks, load, remove }: RcReading): PhaseContents {
  const names = (references: readonly { readonly name: string }[]) => references.map(({ name }) => name);
  return { tasks, load: names(load), remove: remove === "all" ? "all" : names(remove) };
}
