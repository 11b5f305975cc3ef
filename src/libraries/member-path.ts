import { isName } from "../units/index.js";

/** The path in a unit or a load: a file, and the module in it if it is a library. */
export interface MemberPath {
  readonly file: string;
  readonly member: string | undefined;
}

/**
 * Splits `FILE#NAME` at its last `#`. The text after it must be a possible name of a module, because a path
 * may also have a `#`.
 */
export function splitMember(module: string): MemberPath {
  return splitAt(module, module.lastIndexOf("#")) ?? { file: module, member: undefined };
}

/**
 * Reads `--modules=FILE#NAME,FILE:NAME` (docs/design/modules.md §6).
 * @returns for each entry the modules that it picks; undefined for one that picks nothing
 */
export function readPicks(text: string): readonly (readonly [entry: string, pick: MemberPath | undefined])[] {
  return text.split(",").map((entry) => {
    const pick = splitAt(entry, entry.lastIndexOf("#")) ?? splitAt(entry, entry.lastIndexOf(":"));
    return [entry, pick] as const;
  });
}

function splitAt(text: string, at: number): MemberPath | undefined {
  const member = text.slice(at + 1);
  return at > 0 && isName(member) ? { file: text.slice(0, at), member } : undefined;
}
