import type { Plan } from "../graph/types.js";
import { fields, type Handle, type JsonValue } from "../messages/index.js";

/** One reason why modules of a library are refused. */
export interface RefusedModule {
  readonly library: string;
  /** Its name in the library; undefined: the library as a whole. */
  readonly module: string | undefined;
  readonly units: readonly string[];
  readonly message: string;
}

/** The result of an instance's check of the libraries of a plan. */
export interface PlanVerification {
  readonly failures: readonly RefusedModule[];
  /** Why optional units are left out. */
  readonly leftOut: readonly RefusedModule[];
  /** Digests of the libraries, by unit. */
  readonly digests: Readonly<Record<string, string>>;
}

/**
 * Makes an instance open and verify the libraries of a plan, before it loads any module
 * (docs/design/modules.md §6). A plan that loads no module of a library needs no request.
 * @throws SluiceError `BROKER_REQUEST` if the instance cannot answer
 */
export async function verifyLibrariesOf(
  { steps }: Plan,
  handle: Handle,
  { insecure = false }: { readonly insecure?: boolean } = {},
): Promise<PlanVerification> {
  const loads = steps.flatMap((step) => (step.action === "load" ? [step] : []));
  if (!loads.some(({ unit }) => unit.module.includes("#"))) return { failures: [], leftOut: [], digests: {} };
  const modules = loads.map(({ explicit, unit: { name, module: path, exec, loader, thread, optional } }) => ({
    // A unit requested by name must not stay out silently.
    ...{ name, path, exec, thread, optional: optional && !explicit },
    ...(loader === undefined ? {} : { loader }),
    ...(insecure ? { insecure } : {}),
  }));
  return verifyModules(modules, handle);
}

/**
 * As {@link verifyLibrariesOf}, for modules that are named one by one.
 * @param modules in the form of `module.verify`: `name`, `path` and how each is loaded
 */
export async function verifyModules(
  modules: readonly Readonly<Record<string, JsonValue>>[],
  handle: Handle,
): Promise<PlanVerification> {
  const answer = fields(await handle.rpc("module.verify", { modules: [...modules] }), {
    failures: "array",
    leftOut: "array",
    digests: "object",
  });
  const texts = Object.entries(answer.digests).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string",
  );
  return {
    failures: answer.failures.map(refusedModule),
    leftOut: answer.leftOut.map(refusedModule),
    digests: Object.fromEntries(texts),
  };
}

/** A refusal as one line. */
export function refusalText({ library, module, message }: RefusedModule): string {
  return `${library}${module === undefined ? "" : `#${module}`}: ${message}`;
}

function refusedModule(value: JsonValue): RefusedModule {
  const { module, ...rest } = fields(value, {
    library: "string",
    module: "string?",
    units: "string[]",
    message: "string",
  });
  return { ...rest, module };
}
