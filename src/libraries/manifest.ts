// This import does not use the index, because these rules of messages about values are not public.
import { isName, nameHint } from "../units/names.js";
import { explainErrors, isTable } from "../units/problems.js";
import { quoted } from "../units/text.js";
import type { LibraryManifest } from "./generated/tables.js";
import { checkManifest } from "./generated/validators.js";

const KEYS = ["api", "host", "python", "shared", "sluice", "pythonVersion", "modules"];
const MODULE_KEYS = [
  "kind",
  "kindVersion",
  "version",
  "description",
  "compatible",
  "conflicts",
  "requires",
  "main",
];

type ManifestReading =
  | { readonly ok: true; readonly manifest: LibraryManifest }
  | { readonly ok: false; readonly problems: readonly string[] };

/** Names that no pick could use. */
function nameProblems(said: object): string[] {
  const modules = "modules" in said && isTable(said.modules) ? said.modules : {};
  const names = Object.keys(modules).filter((name) => !isName(name));
  return names.map((name) => `modules: invalid name ${quoted(name)}; ${nameHint(name)}`);
}

/** Checks the manifest of a library against schema/library-manifest.schema.json; reports all problems at once. */
export function readManifest(said: unknown): ManifestReading {
  if (checkManifest(said)) return { ok: true, manifest: said };
  if (!isTable(said)) return { ok: false, problems: ["its manifest is not an object"] };
  const errors = (checkManifest.errors ?? []).filter(
    ({ schemaPath }) => schemaPath?.includes("propertyNames") !== true,
  );
  const problems = explainErrors(errors, said, [], [...KEYS, ...MODULE_KEYS]);
  const texts = problems.map(({ message, path }) => `${path.join(".")}: ${message}`);
  return { ok: false, problems: [...texts, ...nameProblems(said)] };
}
