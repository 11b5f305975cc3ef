import type { Fragment } from "../fragment.js";
import { namedSource } from "../source.js";

/** A module that is picked from a library. */
interface Picked {
  /** A path, or a bare name to look up on the module path. */
  readonly file: string;
  readonly member: string;
}

/**
 * A fragment that defines a unit for each module that a flag picks, under its name in the library
 * (docs/design/modules.md §6).
 * @param label its name in errors and origins
 */
export function pickedFragment(picks: readonly Picked[], label: string): Fragment {
  const source = namedSource(label);
  const definitions = picks.map(({ file, member }) => ({
    ...{ source, path: [], edits: [], isCode: false, kind: "module" as const },
    ...{ name: member, library: file, settings: { module: `${file}#${member}` } },
  }));
  return { source, definitions, changes: [], load: [], remove: [] };
}
