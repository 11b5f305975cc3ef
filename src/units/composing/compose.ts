import { type Diagnostic, fail, type Result, succeed } from "../../errors/index.js";
import { ComposedCatalog, type ComposeOptions } from "./catalog.js";
import { Composer, type DisableRequest } from "./composer.js";
import type { UnitDraft } from "./unit-draft.js";
import type { Fragment, Reading } from "../fragment.js";
import { rowsOf } from "../keys/keys.js";
import type { Alternative, Catalog } from "../types.js";

/**
 * Composes fragments into a catalog (docs/design/planning.md §2). They are in the order of composition: built-in file,
 * unit files, configuration, rc files. A pure function that depends only on that order.
 *
 * Errors: `UNIT_DUPLICATE_NAME`, `UNIT_UNKNOWN_UNIT`, `UNIT_UNKNOWN_KEY`, `UNIT_LIST_EDIT_IN_DEFINITION`,
 * `UNIT_WILDCARD_CONFLICT`, `UNIT_COMMAND_CONFLICT`, `UNIT_UNKNOWN_SERVICE`, `UNIT_NOT_A_PROVIDER`; all of them at once.
 * Warning: `UNIT_MISSING_KEY`, of a task without a command.
 */
export function compose(fragments: readonly Fragment[], options: ComposeOptions = {}): Result<Catalog> {
  const readings = fragments.map((fragment) => ({ fragment, diagnostics: [], isBroken: false }));
  const { catalog, diagnostics, warnings } = composeSound(readings, options);
  return diagnostics.length > 0 ? fail(diagnostics) : succeed(catalog, warnings);
}

/** The valid part of some sources, and the problems of the invalid part. */
export interface SoundCatalog {
  readonly catalog: Catalog;
  /** Errors, by source. */
  readonly diagnostics: readonly Diagnostic[];
  readonly warnings: readonly Diagnostic[];
}

/** As {@link compose}, of sources with possible errors: composes the valid ones, and reports the errors. */
export function composeSound(readings: readonly Reading[], options: ComposeOptions = {}): SoundCatalog {
  const fragments = readings.map(({ fragment }) => fragment);
  const composer = new Composer(
    fragments,
    readings.find((reading) => reading.isBroken)?.fragment.source.name,
  );
  for (const fragment of fragments) composer.add(fragment);
  composer.applyOptions();
  for (const request of options.disable ?? []) composer.disable(request);
  const alternatives = lastOfEach([...composer.alternatives, ...(options.alternatives ?? [])]);
  const sources = { readings, options };
  const catalog = new ComposedCatalog(composer.drafts, alternatives, sources);
  const refused = new Map(
    alternatives.map((alternative) => [alternative, checkAlternative(alternative, catalog, composer)]),
  );
  const diagnostics = [
    ...readings.flatMap((reading) => reading.diagnostics),
    ...composer.diagnostics,
    ...foundIn(composer.drafts.values(), checkWildcards),
    ...foundIn(composer.drafts.values(), checkCommand),
    ...[...refused.values()].flat(),
  ];
  const isSound = diagnostics.length === 0;
  const usable = alternatives.filter((alternative) => refused.get(alternative)?.length === 0);
  return {
    catalog: isSound ? catalog : new ComposedCatalog(composer.drafts, usable, sources),
    diagnostics,
    warnings: foundIn(composer.drafts.values(), missingCommandWarnings),
  };
}

/** Whether {@link compose} made it. */
export function isComposed(value: unknown): value is ComposedCatalog {
  return value instanceof ComposedCatalog;
}

/** The problems that a check finds in any draft. */
function foundIn(
  drafts: Iterable<UnitDraft>,
  check: (draft: UnitDraft) => readonly Diagnostic[],
): Diagnostic[] {
  const found: Diagnostic[] = [];
  for (const draft of drafts) for (const diagnostic of check(draft)) found.push(diagnostic);
  return found;
}

const NOTHING: readonly never[] = [];

/**
 * Composes fragments over a catalog, as if they had come after all its sources.
 * Errors and warnings: the same as those of {@link compose}.
 * @param catalog made by {@link compose}
 * @param disable units to disable besides
 */
export function composeOver(
  catalog: Catalog,
  fragments: readonly Fragment[],
  disable: readonly DisableRequest[] = [],
): Result<Catalog> {
  if (!isComposed(catalog)) throw new TypeError("compose() has not made this catalog");
  const { readings, options } = catalog.sources;
  const more = fragments.map((fragment) => ({ fragment, diagnostics: [], isBroken: false }));
  const composed = composeSound([...readings, ...more], {
    ...options,
    disable: [...(options.disable ?? []), ...disable],
  });
  const { diagnostics, warnings } = composed;
  return diagnostics.length > 0 ? fail(diagnostics) : succeed(composed.catalog, warnings);
}

/** The last alternative of each service, in the order in which they were set. */
function lastOfEach(alternatives: readonly Alternative[]): Alternative[] {
  const last = new Map<string, Alternative>();
  for (const { service, unit, origin } of alternatives) {
    last.delete(service);
    last.set(service, { service, unit, origin });
  }
  return [...last.values()];
}

/**
 * The user may intend a task without a command as a milestone, or may have forgotten the command.
 */
function missingCommandWarnings(draft: UnitDraft): readonly Diagnostic[] {
  if (draft.kind !== "task" || draft.isCode || draft.settings.command !== undefined) return NOTHING;
  return [
    {
      code: "UNIT_MISSING_KEY",
      severity: "warning",
      message: `${draft.name}: a task without 'command' does nothing`,
      // Planning must not compute a place that is never printed.
      get location() {
        return draft.definedAt.location;
      },
      related: [],
    },
  ];
}

/**
 * With `"*"` on one side, the other side must be empty. The check is here, because the two may come from different
 * files.
 */
function checkWildcards(draft: UnitDraft): readonly Diagnostic[] {
  const { before = NOTHING, after = NOTHING } = draft.settings;
  if (before.length === 0 || after.length === 0) return NOTHING;
  const sides = [
    ["before", before, "after"],
    ["after", after, "before"],
  ] as const;
  const conflict = sides.find(([, names]) => names.includes("*"));
  if (conflict === undefined) return NOTHING;
  const [key, , other] = conflict;
  return [
    {
      code: "UNIT_WILDCARD_CONFLICT",
      severity: "error",
      message: `${draft.name}: cannot specify '${key}=["*"]' when '${other}' is also set`,
      location: draft.originOf(key, "*")?.location,
      related: [{ message: `'${other}' is set here`, location: draft.originOf(other)?.location }],
    },
  ];
}

/** Keys of modules with a command, and keys of modules with a file. */
const NEEDS_COMMAND = rowsOf("module").flatMap(({ key, ...row }) => ("isOfPrograms" in row ? [key] : []));
const EXCLUDED_BY_COMMAND = ["module", "loader", "exec", "thread"] as const;

/** An ordinary program has no entry function. Other modules cannot have its keys. */
function checkCommand(draft: UnitDraft): readonly Diagnostic[] {
  if (draft.kind !== "module") return NOTHING;
  const { settings } = draft;
  const isProgram = settings.command !== undefined;
  const excluded = isProgram ? EXCLUDED_BY_COMMAND : NEEDS_COMMAND;
  if (!excluded.some((key) => settings[key] !== undefined)) return NOTHING;
  const wrong = excluded.filter((key) => settings[key] !== undefined);
  return wrong.map((key) => ({
    code: "UNIT_COMMAND_CONFLICT",
    severity: "error",
    message: isProgram
      ? `${draft.name}: cannot specify '${key}' when 'command' is also set`
      : `${draft.name}: '${key}' is for modules with 'command'`,
    location: draft.originOf(key)?.location,
    related: isProgram
      ? [{ message: "'command' is set here", location: draft.originOf("command")?.location }]
      : [],
  }));
}

function checkAlternative(alternative: Alternative, catalog: Catalog, composer: Composer): Diagnostic[] {
  const { service, unit, origin } = alternative;
  const providers = catalog.providers.get(service);
  if (providers?.some((provider) => provider.name === unit) === true) return [];
  const location = origin.location;
  const related = location === undefined ? [{ message: `set by ${origin.label}`, location }] : [];
  if (providers === undefined) {
    const hint = composer.hintFor(service, catalog.providers.keys());
    const message = `no such service ${service}`;
    return [{ code: "UNIT_UNKNOWN_SERVICE", severity: "error", message, location, related, hint }];
  }
  const names = providers.map((provider) => provider.name);
  const hint = composer.hintFor(unit, names) ?? `provided by ${names.slice(0, 5).join(", ")}`;
  const message = `no module ${unit} provides ${service}`;
  return [{ code: "UNIT_NOT_A_PROVIDER", severity: "error", message, location, related, hint }];
}
