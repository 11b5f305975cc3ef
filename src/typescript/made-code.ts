import { pathToFileURL } from "node:url";
import { dirname } from "node:path";
import type * as Jiti from "jiti";
import { importMetaPlugin } from "./import-meta.js";
import { transformed } from "./transform.js";

/** The options of {@link makeCode}. */
export interface CodeRequest {
  readonly filename: string;
  readonly source: string;
  /** Whether types are to be removed. */
  readonly ts?: boolean;
  /** Whether it may wait at the top level, and gets its imports from jiti. */
  readonly async?: boolean;
  readonly jsx?: NonNullable<Jiti.TransformOptions["jsx"]>;
  readonly interopDefault?: boolean;
}

const MAP_MARK = "\n//# sourceMappingURL=data:application/json;base64,";

/**
 * Makes the body of a CommonJS module of TypeScript or of an ES module, with a source map at its end.
 * @throws SluiceError `LOAD_FAILED` with `EINVAL` and the place of a syntax error
 */
export function makeCode({ filename, source, ...request }: CodeRequest): string {
  const file = { filename, url: pathToFileURL(filename).href, dirname: dirname(filename) };
  const code = transformed(filename, source, {
    ...{ ts: false, interopDefault: false },
    ...request,
    babel: { sourceMaps: "inline", sourceFileName: filename, plugins: [importMetaPlugin(file)] },
  });
  return withSmallMap(code);
}

/** Code without its map, for readers of the code itself. */
export function withoutMap(code: string): string {
  const at = code.lastIndexOf(MAP_MARK);
  return at < 0 ? code : code.slice(0, at);
}

/** The map contains the source, which is on disk, and names, which it does not need. */
function withSmallMap(code: string): string {
  const mark = "\n//# sourceMappingURL=";
  const at = code.lastIndexOf(mark);
  if (at < 0) return code;
  const encoded = code.slice(code.indexOf("base64,", at) + "base64,".length);
  const map = JSON.parse(Buffer.from(encoded, "base64").toString()) as Record<string, unknown>;
  const small = { version: map["version"], sources: map["sources"], names: [], mappings: map["mappings"] };
  return `${code.slice(0, at)}${MAP_MARK}${Buffer.from(JSON.stringify(small)).toString("base64")}`;
}
