/**
 * Of the types of all our files, those that the public ones need: `dist/types`, which the package gives to users. What no
 * public type mentions is left out.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import ts from "typescript";

const ENTRIES = ["dist/index.d.ts", "dist/rc/authoring.d.ts"];

/** Writes them. Each file keeps its place and its texts. */
export function makePublicTypes() {
  const files = new Map();
  const needed = new Map();
  const open = ENTRIES.map((file) => [file, "*"]);
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [file, name] = next;
    const seen = needed.get(file) ?? new Set();
    needed.set(file, seen);
    if (seen.has(name)) continue;
    seen.add(name);
    if (!files.has(file)) files.set(file, readTypes(file));
    open.push(...asksOf(files.get(file), name));
  }
  for (const [file, names] of needed) write(file, files.get(file), names);
}

/** The statements of a file, by the names that each declares. */
function readTypes(file) {
  const source = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.ES2023, true);
  const from = (specifier) => {
    const path = join(dirname(file), specifier.text.replace(/[.]js$/, ".d.ts"));
    return specifier.text.startsWith(".") && existsSync(path) ? path : undefined;
  };
  return { source, statements: source.statements.map((statement) => describe(statement, from)) };
}

/**
 * @returns what a statement declares in its file, what it takes from where, and what it mentions
 */
function describe(statement, from) {
  if (ts.isImportDeclaration(statement)) {
    const bindings = statement.importClause?.namedBindings;
    const file = from(statement.moduleSpecifier);
    if (bindings === undefined)
      return { statement, names: [statement.importClause?.name?.text ?? "*"], file, parts: [] };
    const parts = ts.isNamespaceImport(bindings)
      ? [{ own: bindings.name.text, theirs: "*" }]
      : bindings.elements.map(({ name, propertyName }) => ({
          own: name.text,
          theirs: (propertyName ?? name).text,
        }));
    return { statement, names: parts.map(({ own }) => own), file, parts };
  }
  if (ts.isExportDeclaration(statement)) {
    const file = statement.moduleSpecifier && from(statement.moduleSpecifier);
    const clause = statement.exportClause;
    if (clause === undefined) return { statement, names: [], isAll: true, file, parts: [] };
    const parts = ts.isNamespaceExport(clause)
      ? [{ own: clause.name.text, theirs: "*" }]
      : clause.elements.map(({ name, propertyName }) => ({
          own: name.text,
          theirs: (propertyName ?? name).text,
        }));
    return { statement, names: parts.map(({ own }) => own), file, parts };
  }
  const names = ts.isVariableStatement(statement)
    ? statement.declarationList.declarations.map(({ name }) => name.getText())
    : [statement.name?.text ?? "*"];
  return { statement, names, parts: [], mentions: mentionsOf(statement) };
}

function mentionsOf(node, found = new Set()) {
  if (ts.isIdentifier(node)) found.add(node.text);
  ts.forEachChild(node, (child) => void mentionsOf(child, found));
  return found;
}

/** What must be there too if a name of a file is. */
function asksOf({ source, statements }, name) {
  return statements.flatMap(({ names, isAll, file, parts, mentions = [] }) => {
    if (isAll === true) return file === undefined ? [] : [[file, name]];
    if (name !== "*" && !names.includes(name)) return [];
    const taken = parts.filter(({ own }) => name === "*" || own === name);
    if (file !== undefined) return taken.map(({ theirs }) => [file, theirs]);
    return [...taken.map(({ theirs }) => theirs), ...mentions].map((other) => [source.fileName, other]);
  });
}

function write(file, { source, statements }, names) {
  const kept = statements.flatMap((described) => {
    if (described.isAll === true || names.has("*")) return [described.statement.getFullText()];
    return described.names.some((name) => names.has(name)) ? [textOf(described, names)] : [];
  });
  const target = join("dist/types", relative("dist", file));
  mkdirSync(dirname(target), { recursive: true });
  const head = /^\/\/\/ <reference.*\n/.exec(source.text)?.[0] ?? "";
  const text = kept.join("").replace(head, "").trim();
  writeFileSync(target, `${head}${text === "" ? "export {};" : text}\n`);
}

/** A statement that takes several names from another file takes only those that are asked for. */
function textOf({ statement, parts }, names) {
  const clause = statement.importClause?.namedBindings ?? statement.exportClause;
  const elements = clause?.elements;
  if (elements === undefined || parts.every(({ own }) => names.has(own))) return statement.getFullText();
  const kept = elements.filter((_, at) => names.has(parts[at].own)).map((element) => element.getText());
  const word = ts.isImportDeclaration(statement)
    ? `import ${statement.importClause.isTypeOnly ? "type " : ""}`
    : `export ${statement.isTypeOnly ? "type " : ""}`;
  const where = statement.moduleSpecifier === undefined ? "" : ` from ${statement.moduleSpecifier.getText()}`;
  return `\n${word}{ ${kept.join(", ")} }${where};`;
}
