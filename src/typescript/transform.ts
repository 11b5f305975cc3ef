import { createRequire } from "node:module";
import type * as Jiti from "jiti";
import { ERRNO, SluiceError } from "../errors/index.js";

/**
 * Makes JavaScript from a file, by default from TypeScript, as the body of a CommonJS module. The code keeps the
 * lines of the source.
 * @throws SluiceError `LOAD_FAILED` with `EINVAL` and the place of a syntax error
 */
export function transformed(
  filename: string,
  source: string,
  options: Partial<Jiti.TransformOptions> = {},
): string {
  // An `import()` here would fail in code that V8 got in compiled form, such as the command line.
  const { createJiti } = createRequire(import.meta.url)("jiti") as typeof Jiti;
  const jiti = createJiti(filename, { fsCache: false });
  const code = jiti.transform({
    ...{ source, filename, ts: true, retainLines: true, interopDefault: true },
    ...options,
  });
  const failed = /^exports\.__JITI_ERROR__ = (\{.*\})/.exec(code)?.[1];
  if (failed !== undefined) throw syntaxError(filename, failed);
  return code;
}

function syntaxError(path: string, report: string): SluiceError {
  const { line, column, message } = JSON.parse(report) as { line: number; column: number; message: string };
  // The compiler counts columns from 0.
  return new SluiceError("LOAD_FAILED", `${path}:${line}:${column + 1}: ${message.trim()}`, {
    errnum: ERRNO.EINVAL,
  });
}
