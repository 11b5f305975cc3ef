import { compareDiagnostics, type Diagnostic, didYouMean } from "../../errors/index.js";
import { ComposedCatalog } from "./catalog.js";
import type { UnitDraft } from "./unit-draft.js";
import { rowOf, type UnitKey } from "../keys/keys.js";
import { OWN_NAME } from "../keys/unit-keys.js";
import { applySetting, keysSetBy, type Setting } from "../settings.js";
import { quoted } from "../text.js";
import type { Catalog } from "../types.js";

/**
 * Warnings about the composition of a catalog. UNIT_NO_EFFECT: a table sets the value that a key already has.
 * UNIT_OVERRIDE: a file replaces a value that a fragment of `modprobe.d` had set. UNIT_UNKNOWN_UNIT: `setopt` for a
 * name without a unit or service. A catalog that was not composed has no warnings. Sorted by place.
 */
export function compositionWarnings(catalog: Catalog): Diagnostic[] {
  if (!(catalog instanceof ComposedCatalog)) return [];
  return [...[...catalog.drafts()].flatMap(warningsOf), ...unknownOptionTargets(catalog)].sort(
    compareDiagnostics,
  );
}

/** Arguments for a missing module have no effect, as in Flux. */
function unknownOptionTargets({ sources, providers }: ComposedCatalog): Diagnostic[] {
  const changes = sources.readings.flatMap(({ fragment }) => fragment.changes);
  return changes.flatMap((change) => {
    if (change.kind !== "options" || providers.has(change.target)) return [];
    return [
      {
        code: "UNIT_UNKNOWN_UNIT",
        severity: "warning",
        message: `setopt: no such module or service ${quoted(change.target)}; the call has no effect`,
        location: change.source.locate([], "value"),
        related: [],
        hint: didYouMean(change.target, providers.keys()),
      },
    ];
  });
}

function warningsOf(draft: UnitDraft): Diagnostic[] {
  const [definition, ...updates] = draft.history;
  const found: Diagnostic[] = [];
  const setBy = new Map<UnitKey, Setting>(keysSetBy(definition).map((key) => [key, definition]));
  let settings = definition.settings;
  for (const update of updates) {
    const after = applySetting(settings, update);
    const keys = keysSetBy(update);
    if (keys.length === 0 && !isEntry(update)) found.push(...noEffect(draft, update, undefined));
    for (const key of new Set(keys)) {
      const earlier = setBy.get(key);
      if (isSame(settings[key] ?? defaultOf(draft, key), after[key] ?? defaultOf(draft, key))) {
        if (!isEntry(update)) found.push(...noEffect(draft, update, key));
      } else if (update.settings[key] !== undefined && earlier !== undefined && isFragment(earlier)) {
        found.push(...override(draft, update, key, earlier));
      }
      setBy.set(key, update);
    }
    settings = after;
  }
  return found;
}

/** A repeated value is not a mistake, because an entry of `[[modules]]` defines a unit completely. */
function isEntry(update: Setting): boolean {
  return "kind" in update;
}

function defaultOf(draft: UnitDraft, key: UnitKey): unknown {
  const { default: value } = rowOf(key);
  return value === OWN_NAME ? draft.name : value;
}

/** Values are plain data: texts, numbers, lists, and sets of ranks with their text. */
function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Users are supposed to change the built-in file. Authors may not know that two fragments disagree. */
function isFragment({ source }: Setting): boolean {
  return /(?:^|\/)modprobe\.d\/[^/]+$/.test(source.name);
}

function noEffect(draft: UnitDraft, update: Setting, key: UnitKey | undefined): Diagnostic[] {
  const location = placeOf(update, key);
  if (location === undefined) return [];
  const what = key === undefined ? "sets nothing" : `does not change ${key}`;
  return [
    {
      code: "UNIT_NO_EFFECT",
      severity: "warning",
      message: `this update of ${draft.name} ${what}`,
      location,
      related: [],
      hint: "remove the line, or correct it",
    },
  ];
}

function override(draft: UnitDraft, update: Setting, key: UnitKey, earlier: Setting): Diagnostic[] {
  const location = placeOf(update, key);
  // The purpose of flags, variables and the configuration is to override files.
  if (location === undefined || update.source.directory === undefined) return [];
  return [
    {
      code: "UNIT_OVERRIDE",
      severity: "warning",
      message: `${draft.name}.${key} is overridden here`,
      location,
      related: [{ message: "the old value was set here", location: placeOf(earlier, key) }],
    },
  ];
}

function placeOf({ source, path, edits }: Setting, key: UnitKey | undefined) {
  if (key === undefined) return source.locate(path, "key");
  const edit = edits.find((each) => each.key === key);
  const written = edit === undefined || edit.op === "append" ? key : `${key}${edit.op}`;
  return source.locate([...path, written], "value");
}
