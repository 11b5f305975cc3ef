import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";
import {
  type HostProgram,
  type OutputLine,
  RcSession,
  type RcSessionOptions,
  SCRIPT_HOST,
} from "../../../src/rc/index.js";

/** The built host: a process cannot start from TypeScript. */
export const BUILT_HOST: HostProgram = {
  ...SCRIPT_HOST,
  command: [process.execPath, fileURLToPath(new URL("../../../dist/rc/ts-host.cjs", import.meta.url))],
};

/** The path of an rc file among the fixtures. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`../../fixtures/rc/${name}`, import.meta.url));
}

/** Shared by the sessions of one test file, so that fixtures are transpiled once. */
const cacheDir = mkdtempSync(join(tmpdir(), "sluice-rc-cache-"));
afterAll(() => rm(cacheDir, { recursive: true }));

/** A session on built hosts that keeps what tasks print, and lets a test wait for a line. */
export class TestSession extends RcSession {
  readonly lines: OutputLine[];
  readonly printed: string[];
  readonly #waiting: Set<() => void>;

  constructor(options: Partial<RcSessionOptions> = {}) {
    const lines: OutputLine[] = [];
    const printed: string[] = [];
    const waiting = new Set<() => void>();
    super({
      facts: { rank: 0, config: {}, attrs: {}, env: {} },
      env: { PATH: process.env["PATH"] },
      programs: [BUILT_HOST],
      cacheDir,
      onOutput: (line) => {
        lines.push(line);
        for (const check of waiting) check();
      },
      onPrint: (text) => printed.push(text),
      ...options,
    });
    this.lines = lines;
    this.printed = printed;
    this.#waiting = waiting;
  }

  /** Resolves to the first line that a unit prints and that matches. */
  async line(unit: string, pattern: RegExp): Promise<string> {
    return new Promise((resolve) => {
      const check = (): void => {
        const found = this.lines.find((line) => line.unit === unit && pattern.test(line.text));
        if (found === undefined) return;
        this.#waiting.delete(check);
        resolve(found.text);
      };
      this.#waiting.add(check);
      check();
    });
  }

  /** Runs a task that nothing gives up. */
  async run(name: string): Promise<void> {
    await this.runTask(name, new AbortController().signal);
  }

  /** What a unit printed to standard output. */
  stdoutOf(unit: string | undefined): string[] {
    return this.lines
      .filter((line) => line.unit === unit && line.stream === "stdout")
      .map((line) => line.text);
  }
}
