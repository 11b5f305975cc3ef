import { createRequire } from "node:module";
import { dirname } from "node:path";
import { forgetCode } from "./stack-places.js";
import { transformed } from "./transform.js";

/** The use of a value that decides which code runs next. */
export type DecidingUse = "tested" | "compared";

/** The functions for code that {@link runInstrumented} runs. */
export interface InstrumentedHost {
  /** The exports of an import. */
  readonly imported: (name: string) => Promise<unknown>;
  /** Called with each deciding value and its line; returns the value. */
  readonly decided: (value: unknown, use: DecidingUse, line: number) => unknown;
}

const PARAMETERS = ["exports", "require", "module", "__filename", "__dirname", "jitiImport", "__decided"];

/** The part of a node of Babel that is used here. */
interface Node {
  readonly loc?: { readonly start: { readonly line: number } } | null;
  readonly operator?: string;
  [part: string]: unknown;
}

interface Babel {
  readonly types: {
    identifier(name: string): Node;
    stringLiteral(value: string): Node;
    numericLiteral(value: number): Node;
    callExpression(callee: Node, values: readonly Node[]): Node;
  };
}

/** For each node, the parts of it that decide, and how they do. */
const DECIDING: readonly (readonly [type: string, parts: readonly string[], use: DecidingUse])[] = [
  ["IfStatement", ["test"], "tested"],
  ["ConditionalExpression", ["test"], "tested"],
  ["WhileStatement", ["test"], "tested"],
  ["DoWhileStatement", ["test"], "tested"],
  ["ForStatement", ["test"], "tested"],
  ["LogicalExpression", ["left"], "tested"],
  ["SwitchStatement", ["discriminant"], "compared"],
];

const COMPARISONS = new Set(["==", "===", "!=", "!==", "<", "<=", ">", ">=", "in", "instanceof"]);

/**
 * Wraps deciding expressions in calls of `__decided`. It does not change nodes without a place, which other plug-ins
 * have inserted.
 */
function decisions({ types: t }: Babel): object {
  const wrap = (node: Node, part: string, use: DecidingUse): void => {
    const inner = node[part] as Node | null | undefined;
    const line = inner?.loc?.start.line;
    if (inner === null || inner === undefined || line === undefined) return;
    const values = [inner, t.stringLiteral(use), t.numericLiteral(line)];
    node[part] = t.callExpression(t.identifier("__decided"), values);
  };
  const visitor: Record<string, (path: { readonly node: Node }) => void> = {
    UnaryExpression: ({ node }) => {
      if (node.operator === "!") wrap(node, "argument", "tested");
    },
    BinaryExpression: ({ node }) => {
      if (!COMPARISONS.has(node.operator ?? "")) return;
      wrap(node, "left", "compared");
      wrap(node, "right", "compared");
    },
  };
  for (const [type, parts, use] of DECIDING)
    visitor[type] = ({ node }) => parts.forEach((part) => wrap(node, part, use));
  return { visitor };
}

/**
 * Runs TypeScript or JavaScript whose imports and decisions go through its host (docs/design/flux.md §1).
 * @returns the exports of the file
 * @throws SluiceError `LOAD_FAILED` with the place of a syntax error; errors that the code throws
 */
export async function runInstrumented(
  path: string,
  source: string,
  { imported, decided }: InstrumentedHost,
): Promise<object> {
  const code = transformed(path, source, { async: true, babel: { plugins: [decisions] } });
  const { compileFunction } = process.getBuiltinModule("node:vm");
  // The file may have had other code before.
  forgetCode(path);
  // The added text stays on the first line of the code, so that the lines of the code are those of the source.
  const run = compileFunction(`return (async () => {${code}\n})()`, PARAMETERS, { filename: path });
  const module = { exports: {} };
  const values = [module.exports, createRequire(path), module, path, dirname(path), imported, decided];
  await (run as (...values: readonly unknown[]) => Promise<void>)(...values);
  return module.exports;
}
