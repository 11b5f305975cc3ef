import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readStartupRequests } from "../../../src/loaders/index.js";
import { pythonRequests } from "../../../src/loaders/source/python-requests.js";
import { scriptRequests } from "../../../src/loaders/source/script-requests.js";

const heads = (found: readonly { readonly head: string }[]): string[] => found.map(({ head }) => head);
const inMain = (body: string): string =>
  `export async function modMain(h: Handle) {\n${body}\nawait h.run();\n}\n`;

describe("a script asks at load", () => {
  test.each([
    ["in the body", inMain('await h.rpc("kvs.get", { key: "a" });'), ["kvs.get"]],
    ["with type arguments", inMain('await h.rpc<Map<string, A>>("kvs.get");'), ["kvs.get"]],
    ["by an optional call", inMain('h?.rpc?.("kvs.get");'), ["kvs.get"]],
    [
      "in a loop over a stream",
      inMain('for await (const x of h.rpcStream("kvs.watch")) { use(x); break; }'),
      ["kvs.watch"],
    ],
    [
      "in a condition",
      inMain('if (a / b > c) { try { await h.rpc("kvs.get"); } catch (e) { f(e); } }'),
      ["kvs.get"],
    ],
    ["with a topic partly worked out", inMain("await h.rpc(`kvs.${method}`);"), ["kvs."]],
    [
      "within a template",
      inMain('log(`is ${await h.rpc("kvs.get")} and ${{ a: `}` }.a}`); await h.rpc("b.c");'),
      ["kvs.get", "b.c"],
    ],
    ["by a constant", `const T = "kvs.get";\n${inMain("await h.rpc(T);")}`, ["kvs.get"]],
    [
      "after a function that does not",
      inMain('const f = () => h.rpc("no.no")\nawait h.rpc("kvs.get")'),
      ["kvs.get"],
    ],
    ["in an arrow function", 'export const modMain = async (h) => { await h.rpc("kvs.get"); };', ["kvs.get"]],
    [
      "in a function expression",
      'exports.mod_main = async function (h) { await h.rpc("kvs.get"); };',
      ["kvs.get"],
    ],
    [
      "in one that is exported as it",
      'async function main(h) { await h.rpc("kvs.get"); }\nexport { main as modMain };',
      ["kvs.get"],
    ],
    [
      "in a class's start-up",
      'export default class X extends BrokerModule {\n #a = 1;\n async setup(): Promise<void> { await this.handle.rpc("kvs.get"); }\n other() { this.handle.rpc("no.no"); }\n}',
      ["kvs.get"],
    ],
  ])("%s", (_, source, expected) => {
    expect(heads(scriptRequests(source))).toEqual(expected);
  });

  test.each([
    ["in a handler", inMain('h.handle("x", async () => ({ v: await h.rpc("kvs.get") }));')],
    ["in nested arrow functions", inMain('const f = (a) => (b) => { return h.rpc("kvs.get"); };')],
    ["in a function", inMain('async function f(): Promise<Map<string, A>> { await h.rpc("kvs.get"); }')],
    [
      "in an async iterator",
      inMain(
        'const o = { async *[Symbol.asyncIterator]() {}, get: function* () { yield h.rpc("kvs.get"); } };',
      ),
    ],
    ["in a method", inMain('const o = { async get(a) { await h.rpc("kvs.get"); } };')],
    ["in a class", inMain('class A { a = h.rpc("kvs.get"); }')],
    ["after run", inMain('await h.run(); await h.rpc("kvs.get");')],
    ["after it has said that it runs", inMain('h.setRunning(); await h.rpc("kvs.get");')],
    ["in a string", inMain(`log('await h.rpc("kvs.get")');`)],
    ["in a template", inMain('log(`h.rpc("kvs.get")`);')],
    ["in comments", inMain('// h.rpc("kvs.get")\n/* h.rpc("kvs.get") */')],
    ["in a regular expression", inMain('const a = /[/"]h.rpc("kvs.get")/.test(x);')],
    ["of another rank", inMain('await h.rpc("kvs.get", undefined, { rank: "upstream" });')],
    ["with a topic that is not written out", inMain("await h.rpc(topic + x); await h.rpc(`${s}.get`);")],
    [
      "elsewhere in the file",
      'function f(h) { h.rpc("kvs.get"); }\nexport async function modMain(h) { await h.run(); }',
    ],
  ])("does not ask %s", (_, source) => {
    expect(heads(scriptRequests(source).filter(({ head }) => head.indexOf(".") > 0))).toEqual([]);
  });
});

const inPython = (body: string): string =>
  `def mod_main(h, *args):\n${body.replace(/^/gm, "    ")}\n    h.run()\n`;

describe("a Python module asks at load", () => {
  test.each([
    ["in the body", inPython('h.rpc("kvs.get", {"key": "a"}).get()'), ["kvs.get"]],
    ["over lines", inPython('x = h.rpc(\n  # why\n"kvs.get",\n).get()'), ["kvs.get"]],
    ["after a backslash", inPython('x = \\\nh.rpc("kvs.get")'), ["kvs.get"]],
    [
      "in a block",
      inPython('if args:\n  h.rpc("kvs.get")\nelse:\n  h.rpc("kvs.put")'),
      ["kvs.get", "kvs.put"],
    ],
    [
      "in a coroutine",
      'async def mod_main(h):\n  async for x in h.rpc_stream(topic="kvs.watch"):\n    pass\n',
      ["kvs.watch"],
    ],
    ["on one line", 'def mod_main(h: "Flux"): h.rpc("kvs.get")\n', ["kvs.get"]],
    ["with a formatted topic", inPython('h.rpc(f"kvs.{x}")'), ["kvs."]],
    [
      "after a nested function",
      inPython('@wraps(f)\ndef g(a):\n  h.rpc("no.no")\nh.rpc("kvs.get")'),
      ["kvs.get"],
    ],
    ["after a lambda", inPython('call(lambda a, b: h.rpc("no.no"), h.rpc("kvs.get"))'), ["kvs.get"]],
    ["after a program", inPython('subprocess.run(["a"])\nh.rpc("kvs.get")'), ["kvs.get"]],
    [
      "in a class's start-up",
      'class X(BrokerModule):\n  def __init__(self, h, *args):\n    super().__init__(h, *args)\n    h.rpc("kvs.get").get()\n  @request_handler("a")\n  def a(self, msg):\n    self.handle.rpc("no.no")\n',
      ["kvs.get"],
    ],
  ])("%s", (_, source, expected) => {
    expect(heads(pythonRequests(source))).toEqual(expected);
  });

  test.each([
    [
      "in a nested function",
      inPython('def f():\n\n  h.rpc("kvs.get")\n# end\nasync def g(): h.rpc("kvs.get")'),
    ],
    ["in a class", inPython('class A:\n  x = h.rpc("kvs.get")')],
    ["in a lambda", inPython('f = lambda: h.rpc("kvs.get")')],
    ["after run", inPython('h.run()\nh.rpc("kvs.get")')],
    ["after it has said that it runs", inPython('h.set_running()\nh.rpc("kvs.get")')],
    ["in strings", inPython(`"""\nh.rpc("kvs.get")\n"""\nx = 'h.rpc("kvs.get")'\ny = rb"\\" h.rpc("`)],
    ["in a comment", inPython('pass  # h.rpc("kvs.get")')],
    ["of another rank", inPython('h.rpc("kvs.get", nodeid=0)')],
    ["without wanting an answer", inPython('h.rpc("kvs.put", flags=RPC_NORESPONSE)\nh.notify("kvs.put")')],
    ["elsewhere in the file", `h.rpc("kvs.get")\ndef f(h):\n  h.rpc("kvs.get")\n${inPython("pass")}`],
  ])("does not ask %s", (_, source) => {
    expect(heads(pythonRequests(source))).toEqual([]);
  });
});

describe("whatever is in a file", () => {
  const piece = fc.constantFrom(
    ...'( ) { } [ ] ` ${ \' " / // /* => : , ; . < > \n def class lambda function modMain mod_main( h.rpc("a.b")'.split(
      / (?!$)/,
    ),
  );
  test("it is read to its end, and what is found lies within it", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(piece, fc.string()), { maxLength: 60 }), (pieces) => {
        const text = pieces.join(" ");
        for (const { start, end } of [...scriptRequests(text), ...pythonRequests(text)]) {
          expect(text.slice(start, end)).toMatch(/^rpc/);
        }
      }),
    );
  });

  test("depth costs no stack, and length no more than its share", () => {
    const deep = 100_000;
    const source = inMain(`${"(".repeat(deep)}${")".repeat(deep)}; h.rpc("kvs.get")`);
    expect(heads(scriptRequests(source))).toEqual(["kvs.get"]);
    expect(heads(scriptRequests(inMain("a => ".repeat(deep))))).toEqual([]);
    expect(
      heads(pythonRequests(inPython(`x = ${"[".repeat(deep)}${"]".repeat(deep)}\nh.rpc("a.b")`))),
    ).toEqual(["a.b"]);
    for (const odd of [
      "/[ ",
      "function ",
      "class ",
      "modMain = () => ",
      'h.rpc("a.b", ',
      "lambda ",
      "a => ",
    ]) {
      const text = odd.repeat(4_000);
      expect(scriptRequests(text).length + scriptRequests(inMain(text)).length).toBeLessThan(50_000);
      expect(pythonRequests(inPython(text)).length).toBeLessThan(50_000);
    }
    const comment = `/*${"*".repeat(deep)}*/ "${"\\\\".repeat(deep)}"; \`${"x$".repeat(deep)}\`;`;
    expect(heads(scriptRequests(inMain(`${comment} h.rpc("kvs.get")`)))).toEqual(["kvs.get"]);
  });
});

describe("a file", () => {
  let dir = "";
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), "sluice-requests-"));
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  test("is told with the place of each request", async () => {
    const path = join(dir, "a.ts");
    writeFileSync(path, inMain('  await h.rpc("kvs.get");'));
    expect(await readStartupRequests(path)).toEqual([
      {
        service: "kvs",
        topic: "kvs.get",
        location: {
          file: path,
          line: 2,
          column: 11,
          endLine: 2,
          endColumn: 24,
          sourceLine: '  await h.rpc("kvs.get");',
        },
      },
    ]);
  });

  test("of another kind, too long, or not there tells nothing", async () => {
    const source = inMain('await h.rpc("kvs.get");');
    writeFileSync(join(dir, "a.lua"), source);
    writeFileSync(join(dir, "long.mjs"), source + " ".repeat(1024 * 1024));
    for (const name of ["a.lua", "long.mjs", "none.mjs"])
      expect(await readStartupRequests(join(dir, name))).toEqual([]);
  });
});
