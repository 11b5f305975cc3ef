import { basename, dirname } from "node:path";
import type { Fragment } from "../fragment.js";

/**
 * The hint for an update of a name that only a later source defines.
 * @param fragments all fragments, in the order of composition
 * @param by name of the source that has the update
 * @returns undefined if no source after it defines the name, as a unit or as a service
 */
export function definedLater(fragments: readonly Fragment[], name: string, by: string): string | undefined {
  const own = fragments.findIndex(({ source }) => source.name === by);
  const later = fragments.slice(own + 1).find((fragment) => defines(fragment, name));
  if (own < 0 || later === undefined) return undefined;
  const file = later.source.name;
  return `defined in ${file}, which Sluice reads later; ${cure(by, file)}`;
}

function defines({ definitions }: Fragment, name: string): boolean {
  return definitions.some(
    (definition) => definition.name === name || definition.settings.provides?.includes(name) === true,
  );
}

/** Sluice reads the files of one directory in the order of their names. */
function cure(file: string, later: string): string {
  if (dirname(file) !== dirname(later)) return "write this line in an even later file";
  return `name this file ${nameAfter(basename(file), basename(later))}`;
}

function nameAfter(name: string, later: string): string {
  const usual = `zz-${name}`;
  return Buffer.compare(Buffer.from(usual), Buffer.from(later)) > 0
    ? usual
    : `${/^z*/.exec(later)?.[0] ?? ""}z-${name}`;
}
