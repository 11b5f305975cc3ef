import { type Diagnostic, didYouMean, type Location, type Origin } from "../../errors/index.js";
import { UnitDraft } from "./unit-draft.js";
import { definedLater } from "./defined-later.js";
import { argsEdit, type Change, type Definition, type Fragment } from "../fragment.js";
import { isKeyOf } from "../keys/keys.js";
import { locateProblems, type Problem } from "../problems.js";
import { keysSetBy, type Setting } from "../settings.js";
import { originSource, type Source } from "../source.js";
import { quoted } from "../text.js";
import type { Alternative } from "../types.js";

/** A name of a unit or service to leave out of plans, and the flag or variable with it. */
export interface DisableRequest {
  readonly name: string;
  readonly origin: Origin;
  /** All units that provide the service, also beside a unit of that name. No such unit is no error. */
  readonly isService?: boolean;
  /** A name that no unit has is no error. */
  readonly mayBeUnknown?: boolean;
}

type OptionsChange = Extract<Change, { kind: "options" }>;

/** A search for a similar name compares all names. After this many unknown names, the user no longer reads hints. */
const HINT_LIMIT = 50;

/** Composes fragments over each other, in the order of docs/design/planning.md §2. */
export class Composer {
  readonly diagnostics: Diagnostic[] = [];
  /** The drafts by name, in load order. */
  readonly drafts = new Map<string, UnitDraft>();
  /** The alternatives in the order of their settings, without a check. */
  readonly alternatives: Alternative[] = [];
  readonly #options: OptionsChange[] = [];
  /** Providers of a service by more than their name. */
  readonly #providers = new Map<string, Set<UnitDraft>>();
  readonly #fragments: readonly Fragment[];
  readonly #unread: string | undefined;
  #hintsLeft = HINT_LIMIT;

  /**
   * @param fragments all fragments that will be added, in order
   * @param unread a source that could not be read, and may define missing names
   */
  constructor(fragments: readonly Fragment[], unread: string | undefined) {
    this.#fragments = fragments;
    this.#unread = unread;
  }

  add(fragment: Fragment): void {
    for (const definition of fragment.definitions) this.#define(definition, fragment);
    for (const change of fragment.changes) this.#change(change);
  }

  /** Arguments that rc files set, which override tables before and after them (docs/design/planning.md §8). */
  applyOptions(): void {
    for (const change of this.#options) this.#applyOptions(change);
  }

  /** Disables a unit, else every provider of a service. */
  disable({ name, origin, isService = false, mayBeUnknown = isService }: DisableRequest): void {
    const drafts = isService ? this.#providing(name) : this.#named(name);
    if (drafts.length === 0 && !mayBeUnknown) this.#reportUnknown(name, origin.location, origin.label);
    const settings = { disabled: true };
    for (const draft of drafts) {
      draft.apply({ source: originSource(origin), path: [], settings, edits: [] });
    }
  }

  #providing(service: string): UnitDraft[] {
    const unit = this.drafts.get(service);
    return [...(unit === undefined ? [] : [unit]), ...(this.#providers.get(service) ?? [])];
  }

  /** The hint for an unknown name. */
  hintFor(name: string, known: Iterable<string>): string | undefined {
    // A similar name is the wrong hint if an unread file may define this very name.
    if (this.#unread !== undefined)
      return `Sluice could not read ${this.#unread}, which may define this unit`;
    return this.#hintsLeft-- > 0 ? didYouMean(name, known) : undefined;
  }

  #define(definition: Definition, fragment: Fragment): void {
    const draft = this.drafts.get(definition.name);
    const isRepeated = draft?.listedIn === fragment;
    if (draft !== undefined) draft.listedIn = fragment;
    if (draft === undefined) {
      const created = new UnitDraft(definition, this.drafts.size, fragment);
      this.drafts.set(definition.name, created);
      this.#index(created);
      this.#refuseEdits(definition);
    } else if (isOfTwoLibraries(draft, definition)) {
      this.#reportDuplicate(definition, draft);
    } else if (isRepeated || draft.kind !== definition.kind || draft.isCode || definition.isCode) {
      this.#reportDuplicate(definition, draft);
    } else {
      this.#update(draft, definition);
    }
  }

  #refuseEdits({ source, path, edits }: Definition): void {
    if (edits.length === 0) return;
    this.#report(
      source,
      edits.map(({ key, op }) => ({
        code: "UNIT_LIST_EDIT_IN_DEFINITION",
        message: `'${key}${op}' has no list to edit in the first definition of a unit`,
        path: [...path, `${key}${op}`],
        part: "key",
        hint: op === "+" ? `write ${key} = …` : undefined,
      })),
    );
  }

  #change(change: Change): void {
    switch (change.kind) {
      case "update": {
        const draft = this.drafts.get(change.target) ?? this.#foremost(change.target);
        if (draft !== undefined) this.#update(draft, change.setting);
        else {
          const { source, path } = change.setting;
          this.#reportUnknown(change.target, source.locate(path, "key"), source.name);
        }
        return;
      }
      case "alternative":
        this.alternatives.push(change);
        return;
      case "options":
        this.#options.push(change);
        return;
    }
  }

  #update(draft: UnitDraft, setting: Setting): void {
    const foreign = keysSetBy(setting).filter((key) => !isKeyOf(draft.kind, key));
    this.#report(
      setting.source,
      foreign.map((key) => ({
        code: "UNIT_UNKNOWN_KEY",
        message: `invalid config key ${key}`,
        path: [...setting.path, key],
        part: "key",
        hint: `'${draft.name}' is a ${draft.kind}`,
      })),
    );
    const before = draft.provides;
    draft.apply(setting);
    if (draft.provides === before) return;
    for (const service of before) this.#providers.get(service)?.delete(draft);
    this.#index(draft);
  }

  #index(draft: UnitDraft): void {
    for (const service of draft.provides) {
      const providers = this.#providers.get(service);
      if (providers === undefined) this.#providers.set(service, new Set([draft]));
      else providers.add(draft);
    }
  }

  /** The unit of that name, else the providers of the service. */
  #named(name: string): readonly UnitDraft[] {
    const draft = this.drafts.get(name);
    return draft === undefined ? [...(this.#providers.get(name) ?? [])] : [draft];
  }

  /** The provider that an update of a service changes. */
  #foremost(service: string): UnitDraft | undefined {
    const providers = this.#named(service);
    const enabled = providers.filter((draft) => draft.settings.disabled !== true);
    let best: UnitDraft | undefined;
    for (const draft of enabled.length > 0 ? enabled : providers) {
      const isBetter =
        best === undefined ||
        draft.priority > best.priority ||
        (draft.priority === best.priority && draft.order > best.order);
      if (isBetter) best = draft;
    }
    return best;
  }

  #applyOptions({ target, args, overwrite, source }: OptionsChange): void {
    // An unknown name changes nothing, because an rc file may name modules that only some sites have.
    const drafts = this.#named(target);
    const setting: Setting = overwrite
      ? { source, path: [], settings: { args }, edits: [] }
      : { source, path: [], settings: {}, edits: [argsEdit(args)] };
    const modules = drafts.filter((draft) => draft.kind === "module");
    // A task among the providers of a service has no arguments; naming a task itself is an error.
    for (const draft of modules.length > 0 ? modules : drafts) this.#update(draft, setting);
  }

  #reportDuplicate(definition: Definition, first: UnitDraft): void {
    const { name, source, path, kind } = definition;
    const already = first.definedAt;
    const what = isOfTwoLibraries(first, definition)
      ? `picked from two libraries, ${first.library} and ${definition.library ?? ""}`
      : kind === first.kind
        ? `defined twice`
        : `both a module and a task`;
    this.diagnostics.push({
      code: "UNIT_DUPLICATE_NAME",
      severity: "error",
      message: `${name}: ${what}`,
      location: source.locate([...path, "name"], "value"),
      related: [{ message: "first defined here", location: already.location }],
    });
  }

  #reportUnknown(name: string, location: Location | undefined, by: string): void {
    this.diagnostics.push({
      code: "UNIT_UNKNOWN_UNIT",
      severity: "error",
      message: `no such module or task ${quoted(name)}`,
      location,
      related: location === undefined ? [{ message: `named by ${by}`, location }] : [],
      hint: this.#laterHint(name, by) ?? this.hintFor(name, this.#names()),
    });
  }

  #laterHint(name: string, by: string): string | undefined {
    return this.#hintsLeft > 0 ? definedLater(this.#fragments, name, by) : undefined;
  }

  *#names(): Generator<string> {
    yield* this.drafts.keys();
    yield* this.#providers.keys();
  }

  #report(source: Source, problems: readonly Problem[]): void {
    this.diagnostics.push(...locateProblems(source, problems));
  }
}

/** The order of files must not decide which of them is loaded. */
function isOfTwoLibraries(
  first: UnitDraft,
  second: Definition,
): first is UnitDraft & { readonly library: string } {
  return first.library !== undefined && second.library !== undefined && first.library !== second.library;
}
