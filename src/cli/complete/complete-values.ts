import { type Argument, Option } from "commander";
import { type Fields, fields, type FieldSpec, MESSAGE_TYPES } from "../../messages/index.js";
import type { Catalog, Unit } from "../../units/index.js";
import { groupNames, groupReference } from "../../units/groups.js";
import { type Answer, type Candidate, NOTHING } from "./complete-answer.js";

/** The place of a value on the command line. */
export interface ValueQuestion {
  /** Its placeholder, such as `<unit>` or `[unit...]`. */
  readonly source: Argument | Option;
  readonly begun: string;
  /** The arguments before the value. */
  readonly given: readonly string[];
  /** The values of `--file` before it. */
  readonly files: readonly string[];
  readonly tell: (problem: unknown) => void;
}

/** Formats of `modprobe graph`, which itself reports any other. */
export const PICTURE_FORMATS = ["dot", "svg", "png", "mermaid", "json"] as const;

type Lookup = (question: ValueQuestion) => Answer | Promise<Answer>;

const FILES: Answer = { ...NOTHING, files: true };

/** The candidates for each placeholder that is not a free word of the user. */
const LOOKUPS: Readonly<Record<string, Lookup>> = {
  unit: async (question) => {
    const units = await catalog(question);
    return names([...unitsAndServices(units), ...groups(units, groupReference)]);
  },
  group: async (question) => names(groups(await catalog(question), String)),
  module: async (question) => {
    const loaded = await loadedModules();
    return names([...loaded, ...groups(await catalog(question), groupReference)]);
  },
  service: async () => names(await liveServices()),
  attribute: async () => names(await attributes()),
  key: ({ begun }) => keys(begun),
  "service=unit": providers,
  "module|path": async () => ({ ...names(await loadedModules()), files: true }),
  "path|name": async (question) => ({ ...names(moduleFiles(await catalog(question))), files: true }),
  instance: async () => ({ ...names(await instances()), files: true }),
  types: ({ begun }) => messageTypes(begun),
  file: () => FILES,
  "file#name": () => FILES,
  path: () => FILES,
  statedir: () => FILES,
  dir: () => FILES,
  "key=value|file": () => FILES,
  "n|file": () => FILES,
  format: () => names(PICTURE_FORMATS.map((value) => ({ value }))),
  args: () => FILES,
  command: () => FILES,
};

/** The placeholders for which {@link valuesOf} has candidates. */
export const COMPLETED_PLACEHOLDERS: readonly string[] = Object.keys(LOOKUPS);

/** The text between the brackets of an option's flags, or the name of an argument. */
export function placeholderOf(source: Argument | Option): string {
  if (!(source instanceof Option)) return source.name();
  return /[<[]([^\]>]*?)(?:\.\.\.)?[\]>]/.exec(source.flags)?.[1] ?? "";
}

/** The values that an argument or an option may have; none if the look-up is not possible now. */
export async function valuesOf(question: ValueQuestion): Promise<Answer> {
  const { source, given, tell } = question;
  if (source.argChoices !== undefined) return names(source.argChoices.map((value) => ({ value })));
  const lookup = Object.hasOwn(LOOKUPS, placeholderOf(source)) ? LOOKUPS[placeholderOf(source)] : undefined;
  if (lookup === undefined) return NOTHING;
  try {
    const answer = await lookup(question);
    const known = new Set(given);
    return { ...answer, candidates: answer.candidates.filter(({ value }) => !known.has(value)) };
  } catch (problem) {
    tell(problem);
    return NOTHING;
  }
}

function names(candidates: readonly Candidate[]): Answer {
  return { ...NOTHING, candidates };
}

/** Types of messages, joined by commas. */
function messageTypes(begun: string): Answer {
  const before = begun.slice(0, begun.lastIndexOf(",") + 1);
  return names(MESSAGE_TYPES.map((type) => ({ value: before + type })));
}

/** The units of the files on the line, else of the instance. */
async function catalog({ files, tell }: ValueQuestion): Promise<Catalog> {
  const { composeUnits } = await import("../../units/index.js");
  const composed = await composeUnits({
    disableFromEnv: false,
    files: files.length > 0 ? files : await instanceFiles(tell),
  });
  if (composed.ok) return composed.value;
  throw new Error(composed.diagnostics.map(({ message }) => message).join("; "));
}

/** Undefined if the instance has shipped and site units, or none runs. */
async function instanceFiles(tell: ValueQuestion["tell"]): Promise<readonly string[] | undefined> {
  try {
    const { namedOrOnlyInstance } = await import("../session.js");
    if ((await namedOrOnlyInstance({})) === undefined) return undefined;
    const { attrs } = await ask("attr.list", { attrs: "object" });
    const { filesOf, FILES_ATTRIBUTE } = await import("../instance/files-option.js");
    const text = attrs[FILES_ATTRIBUTE];
    return typeof text === "string" ? filesOf({}, { [FILES_ATTRIBUTE]: text }) : undefined;
  } catch (problem) {
    tell(problem);
    return undefined;
  }
}

function groups(catalog: Catalog, textOf: (group: string) => string): Candidate[] {
  return groupNames(catalog).map((group) => ({ value: textOf(group), description: "group" }));
}

function unitsAndServices(catalog: Catalog): Candidate[] {
  return [
    ...catalog.units.map(({ name, kind }) => ({ value: name, description: kind })),
    ...services(catalog).map(([value, by]) => ({
      value,
      description: `service of ${by.map(({ name }) => name).join(", ")}`,
    })),
  ];
}

/** Services with a name of their own, and their providers. */
function services({ byName, providers }: Catalog): (readonly [string, readonly Unit[]])[] {
  return [...providers].filter(([name]) => !byName.has(name));
}

function moduleFiles({ units }: Catalog): Candidate[] {
  return units.filter(({ kind }) => kind === "module").map(({ name }) => ({ value: name }));
}

/** `SERVICE=` first, then each of its providers. */
async function providers(question: ValueQuestion): Promise<Answer> {
  const { begun } = question;
  const known = services(await catalog(question));
  const equals = begun.indexOf("=");
  if (equals === -1) return { ...names(known.map(([service]) => ({ value: `${service}=` }))), noSpace: true };
  const wanted = begun.slice(0, equals);
  const [, by = []] = known.find(([service]) => service === wanted) ?? [];
  return names(by.map(({ name }) => ({ value: `${wanted}=${name}` })));
}

/** How long an instance may take to answer before the completion gives no candidates. */
const PATIENCE_MS = 2000;

/** Sends a request to the instance in the environment, or to the only one of the user. */
async function ask<const S extends FieldSpec>(
  topic: string,
  spec: S,
  payload: Readonly<Record<string, string>> = {},
): Promise<Fields<S>> {
  const { namedOrOnlyInstance, withConnection } = await import("../session.js");
  const uri = await namedOrOnlyInstance({});
  if (uri === undefined) throw new Error("no instance runs");
  return withConnection(uri, async (handle) =>
    fields(await handle.rpc(topic, payload, { timeoutMs: PATIENCE_MS }), spec),
  );
}

async function instances(): Promise<Candidate[]> {
  const { runningInstances } = await import("../../broker/life/instance-register.js");
  return runningInstances(process.env).map(({ name, pid }) => ({ value: name, description: `pid ${pid}` }));
}

async function loadedModules(): Promise<Candidate[]> {
  const { modules } = await ask("module.list", { modules: "array" });
  return modules.map((entry) => {
    const { name, path } = fields(entry, { name: "string", path: "string" });
    return { value: name, description: path };
  });
}

/** Modules, and the services that they have besides their names. */
async function liveServices(): Promise<Candidate[]> {
  const { modules } = await ask("module.list", { modules: "array" });
  return modules.flatMap((entry) => {
    const { name, services } = fields(entry, { name: "string", services: "string[]" });
    return [
      { value: name, description: "module" },
      ...services.map((value) => ({ value, description: `service of ${name}` })),
    ];
  });
}

async function attributes(): Promise<Candidate[]> {
  const { attrs } = await ask("attr.list", { attrs: "object" });
  return Object.entries(attrs).map(([value, current]) => ({
    value,
    description: typeof current === "string" ? current : "",
  }));
}

/** Keys of the directory that the word has reached. The key of a directory continues after its dot. */
async function keys(begun: string): Promise<Answer> {
  const above = begun.slice(0, Math.max(0, begun.lastIndexOf(".")));
  const { entries } = await ask("kvs.dir", { entries: "array" }, above === "" ? {} : { key: above });
  const found = entries.map((entry) => fields(entry, { name: "string", dir: "boolean" }));
  const prefix = above === "" ? "" : `${above}.`;
  const candidates = found.map(({ name, dir }) => ({ value: `${prefix}${name}${dir ? "." : ""}` }));
  return { ...names(candidates), noSpace: found.some(({ dir }) => dir) };
}
