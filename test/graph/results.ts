import { type Diagnostic, renderDiagnostic, type Result } from "../../src/errors/index.js";

/** The value of a result that must be there. */
export function valueOf<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw new Error(result.diagnostics.map(renderDiagnostic).join("\n"));
}

/** The errors of a result that must have some. */
export function errorsOf(result: Result<unknown>): readonly Diagnostic[] {
  if (!result.ok) return result.diagnostics;
  throw new Error("no error");
}
