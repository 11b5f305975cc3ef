import { resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { type MemberPath, readPicks } from "../../libraries/index.js";
import { type Fragment, type NamedReference, namedOrigin, pickedFragment } from "../../units/index.js";

/** The attribute with the modules that the instance was started with, for every plan of it. */
export const MODULES_ATTRIBUTE = "broker.modules";

export interface ModulesOption {
  /** `FILE#NAME,…`. Paths are absolute. */
  readonly modules?: string;
}

/** Adds `--modules` (docs/design/modules.md §6). */
export function withModules(command: Command): Command {
  return command.addOption(
    new Option(
      "--modules <file#name>",
      "define these modules of libraries, separated by commas, and load them in rc1",
    ).argParser(absolutePicks),
  );
}

/** The picks, by the flag or for the instance, as units and as roots of rc1. */
export function pickedModules(
  { modules }: ModulesOption,
  attrs: Readonly<Record<string, string>> = {},
): { readonly fragments: readonly Fragment[]; readonly load: readonly NamedReference[] } {
  const texts = new Set(
    [attrs[MODULES_ATTRIBUTE], modules].filter((text) => text !== undefined && text !== ""),
  );
  const picked = [...texts].map((text = "") => {
    const label = `flag --modules=${text}`;
    const picks = readPicks(text).flatMap(([, pick]) => (pick === undefined ? [] : [pick]));
    return { label, picks: picks.filter(hasMember) };
  });
  return {
    fragments: picked.map(({ label, picks }) => pickedFragment(picks, label)),
    load: picked.flatMap(({ label, picks }) =>
      picks.map(({ member }) => ({ name: member, origin: namedOrigin(label) })),
    ),
  };
}

function absolutePicks(text: string): string {
  const picks = readPicks(text).map(([entry, pick]) => {
    if (pick?.member !== undefined) {
      return `${pick.file.includes("/") ? resolve(pick.file) : pick.file}#${pick.member}`;
    }
    throw new InvalidArgumentError(`'${entry}' picks no module: write FILE#NAME or FILE:NAME.`);
  });
  return picks.join(",");
}

function hasMember(pick: MemberPath): pick is { readonly file: string; readonly member: string } {
  return pick.member !== undefined;
}
