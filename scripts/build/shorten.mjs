/**
 * Shortens names of variables, parameters and private members. Those of functions, classes and public members stay, for
 * stacks and errors.
 */
import { minify, parseSync, Visitor } from "rolldown/utils";

const NOT_ASCII = /[^\0-\x7f]/g;

/** What esbuild makes of a file: a function that is called like its path. */
const PART = /\b(__esm|__commonJS)\(\{"[^"]+"\(/g;

/**
 * @param {string} file what errors call it
 * @param {string} text in CommonJS
 * @returns ASCII, which the launcher reads fastest
 */
export async function shortenLocals(file, text) {
  const { code, errors } = await minify(file, text, {
    compress: { keepNames: { function: true, class: true } },
    // A bundle is a function of its own: what is outermost in it is as hidden as all the rest.
    mangle: { toplevel: true, keepNames: true },
    codegen: { legalComments: "none" },
  });
  if (errors.length > 0) throw new Error(errors.map(({ message }) => message).join("\n"));
  refuseRawTemplates(file, code);
  return code
    .replace(PART, "$1({a(")
    .replace(NOT_ASCII, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Only there an escape is not the same as the character: it may be read as it stands. */
function refuseRawTemplates(file, code) {
  const refuse = ({ start, end }) => {
    const text = code.slice(start, end);
    if (text.search(NOT_ASCII) >= 0) throw new Error(`${file}: ${text} cannot be made ASCII`);
  };
  new Visitor({ TaggedTemplateExpression: refuse }).visit(parseSync(file, code).program);
}
