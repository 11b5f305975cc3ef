import { type Diagnostic, renderDiagnostic, SluiceError } from "../errors/index.js";
import type { UnitOutcome } from "./unit-outcome.js";

/** The same in every copy of this library in a process. */
const BRAND = Symbol.for("sluice.start-error");

interface StartErrorParts {
  readonly cause?: unknown;
  readonly errnum?: number | undefined;
  readonly unit?: string | undefined;
  readonly units?: readonly UnitOutcome[] | undefined;
  readonly diagnostics?: readonly Diagnostic[] | undefined;
}

/**
 * An instance that did not start (docs/design/embedding.md §3). The start removes its modules before it
 * throws this error.
 */
export class StartError extends SluiceError {
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === "object" && value !== null && BRAND in value;
  }

  /** The result of each unit of the plan; empty without a plan. */
  readonly units: readonly UnitOutcome[];
  /** All problems of units, configuration or rc files; empty if they were valid. */
  readonly diagnostics: readonly Diagnostic[];

  constructor(code: SluiceError["code"], message: string, parts: StartErrorParts = {}) {
    const { units = [], diagnostics = [], ...options } = parts;
    super(code, message, options);
    this.units = units;
    this.diagnostics = diagnostics;
  }

  get [BRAND](): true {
    return true;
  }

  /** The error for input with problems. Its code is the code of the first error. */
  static of(diagnostics: readonly Diagnostic[]): StartError {
    const first = diagnostics.find(({ severity }) => severity === "error") ?? diagnostics[0];
    return new StartError(first?.code ?? "INTERNAL", diagnostics.map(renderDiagnostic).join("\n"), {
      diagnostics,
    });
  }
}
