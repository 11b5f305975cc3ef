/**
 * Modules of Node that take milliseconds to load, and that most commands never use: they are loaded when a name of them
 * is used first. Source files import them as any other.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const LAZY = ["node:crypto", "node:dns/promises", "node:worker_threads"];

const NAMESPACE = "lazy-builtin";

export const lazyBuiltins = {
  name: "lazy-builtins",
  setup: (building) => {
    building.onResolve({ filter: /^node:/ }, ({ path, importer }) =>
      LAZY.includes(path) && importer.endsWith(".ts") ? { path, namespace: NAMESPACE } : undefined,
    );
    building.onLoad({ filter: /./, namespace: NAMESPACE }, ({ path }) => ({ contents: lazily(path) }));
  },
};

/** esbuild reads an imported name where it is used: a getter is asked then. */
function lazily(builtin) {
  const builtinOf = `process.getBuiltinModule(${JSON.stringify(builtin)})`;
  const getters = importedNames(builtin).map((name) => `get ${name}() { return ${builtinOf}.${name}; },`);
  return `module.exports = {\n${getters.join("\n")}\n};`;
}

/** The names that any file of ours imports from it. */
function importedNames(builtin) {
  const names = new Set();
  const imports = new RegExp(`import \\{([^}]*)\\} from "${builtin}";`, "g");
  for (const file of readdirSync("src", { recursive: true, encoding: "utf8" })) {
    if (!file.endsWith(".ts")) continue;
    const text = readFileSync(join("src", file), "utf8");
    if (new RegExp(`import (?:\\* as )?\\w+ from "${builtin}"`).test(text)) {
      throw new Error(`src/${file} imports ${builtin} as a whole: name what it takes`);
    }
    for (const [, list = ""] of text.matchAll(imports)) {
      for (const item of list.split(",").map((one) => one.trim())) {
        if (item !== "" && !item.startsWith("type ")) names.add(item.split(" as ")[0]);
      }
    }
  }
  return [...names].sort();
}
