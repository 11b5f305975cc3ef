/** The part of a Babel plug-in that ours uses. */
interface BabelPlugin {
  readonly name: string;
  pre(file: { readonly path: ProgramPath }): void;
}

interface ProgramPath {
  traverse(visitor: { MetaProperty(path: MetaPath): void }): void;
  readonly scope: { generateUid(name: string): string };
  unshiftContainer(list: "body", node: unknown): void;
}

interface MetaPath {
  readonly node: { readonly meta: { readonly name: string }; readonly loc?: unknown };
  readonly parent: {
    readonly type: string;
    readonly computed?: boolean;
    readonly property?: { readonly name?: string };
  };
  replaceWith(node: unknown): void;
}

interface BabelApi {
  readonly types: { identifier(name: string): object };
  readonly template: { readonly statement: { ast(code: string): unknown } };
}

/** The properties of a file's `import.meta`. */
interface MetaOfFile {
  readonly filename: string;
  readonly dirname: string;
  readonly url: string;
}

/** Members that jiti replaces by their values. */
const MEMBERS: ReadonlySet<string | undefined> = new Set(["url", "filename", "dirname"]);

/**
 * Node makes a URL for a path even without such a file; jiti searches for the file. jiti has no URL for a module of
 * Node.
 */
const RESOLVE = `(to) => {
  if (/^(?:[.]{0,2}[/]|[a-z][a-z0-9+.-]*:)/i.test(to)) return new URL(to, URL_OF_FILE).href;
  return process.getBuiltinModule("node:module").isBuiltin(to) ? "node:" + to : import.meta.resolve(to);
}`.replaceAll("\n", " ");

/**
 * Makes `import.meta` itself an object, as in Node. jiti replaces only members that the code names, so that `const {
 * dirname } = import.meta` would find nothing.
 */
export function importMetaPlugin({ filename, dirname, url }: MetaOfFile): (api: BabelApi) => BabelPlugin {
  return ({ types, template }) => ({
    name: "sluice-import-meta",
    pre({ path: program }) {
      const uses: MetaPath[] = [];
      program.traverse({
        MetaProperty: (path) => {
          if (path.node.meta.name === "import" && !isMember(path)) uses.push(path);
        },
      });
      if (uses.length === 0) return;
      const name = program.scope.generateUid("importMeta");
      for (const use of uses) use.replaceWith({ ...types.identifier(name), loc: use.node.loc });
      // The replacement is a text, because a file may have its own variable `__dirname`. jiti replaces the text of
      // `resolve`.
      const values = JSON.stringify({ dirname, filename, url }).slice(1, -1);
      const resolve = RESOLVE.replace("URL_OF_FILE", JSON.stringify(url));
      const object = `{ __proto__: null, ${values}, resolve: ${resolve} }`;
      program.unshiftContainer("body", template.statement.ast(`const ${name} = ${object};`));
    },
  });
}

function isMember({ parent }: MetaPath): boolean {
  return parent.type === "MemberExpression" && parent.computed !== true && MEMBERS.has(parent.property?.name);
}
