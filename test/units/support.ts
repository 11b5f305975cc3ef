import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Diagnostic, Result } from "../../src/errors/index.js";
import {
  type Catalog,
  compose,
  type ComposeOptions,
  type Fragment,
  parseFragment,
  type Unit,
} from "../../src/units/index.js";

/** The value of a result that must be good. */
export function valueOf<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.diagnostics.map((one) => `${one.code} ${one.message}`).join("\n"));
  return result.value;
}

/** The diagnostics of a result that must be bad. */
export function errorsOf(result: Result<unknown>): readonly Diagnostic[] {
  if (result.ok) throw new Error("expected errors");
  return result.diagnostics;
}

/** Code and place, e.g. `UNIT_WRONG_TYPE site.toml:3:12`. */
export function summaryOf(result: Result<unknown>): string[] {
  return errorsOf(result).map(({ code, location }) =>
    location === undefined ? code : `${code} ${location.file}:${location.line}:${location.column}`,
  );
}

/** Fragments of texts by file name, in the order given. */
export function fragmentsOf(files: Readonly<Record<string, string>>): Fragment[] {
  return Object.entries(files).map(([file, text]) => valueOf(parseFragment(text, { file })));
}

/** Texts by file name, composed in the order given. */
export function composeFiles(
  files: Readonly<Record<string, string>>,
  options?: ComposeOptions,
): Result<Catalog> {
  return compose(fragmentsOf(files), options);
}

/** A catalog that must be good, of texts by file name. */
export function catalogOf(files: Readonly<Record<string, string>>, options?: ComposeOptions): Catalog {
  return valueOf(composeFiles(files, options));
}

/** A unit that must be there. */
export function unitOf(catalog: Catalog, name: string): Unit {
  const unit = catalog.byName.get(name);
  if (unit === undefined) throw new Error(`no unit ${name}`);
  return unit;
}

/** Runs with a fresh directory that is gone afterwards. */
export async function withDirectory(use: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "sluice-units-"));
  try {
    await use(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
