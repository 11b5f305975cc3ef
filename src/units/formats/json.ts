import type { ParsedDocument } from "./parsed-document.js";
import { parseYaml } from "./yaml.js";

/** Parses JSON. Every JSON text is YAML, whose parser gives positions. */
export function parseJson(text: string): ParsedDocument {
  try {
    const value: unknown = JSON.parse(text);
    return {
      ok: true,
      value,
      makePositions: () => {
        const parsed = parseYaml(text);
        return parsed.ok ? parsed.makePositions() : { find: () => undefined };
      },
    };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const parsed = parseYaml(text);
    if (!parsed.ok) return parsed;
    return { ok: false, problems: [{ message: inOneLine(error.message), span: { start: 0, end: 0 } }] };
  }
}

/** V8 quotes the text after the error: `Unexpected token 'o', "{ "a": oops }" is not valid JSON`. */
function inOneLine(message: string): string {
  const [wrong = message] = message.split(/, (?:\.{3})?"/, 1);
  return wrong === message ? message : `${wrong} in JSON`;
}
