import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";
import { ERRNO } from "../../src/errors/index.js";
import { fields, type Handle, type JsonValue } from "../../src/messages/index.js";
import { type RealBroker, realBroker } from "./support/real-broker.js";

/** A module that answers what it is, and what its library knows in common. */
const SCHED = `{ kind: "sched", kindVersion: "1.0", version: "2.1.0",
  main: async (h, ...args) => {
    h.handle("alloc", () => ({ name: h.name, args, count: ++count }));
    h.handle("free", () => ({}));
    await h.run();
  } }`;

const library = (modules: string, more = ""): string =>
  `let count = 0;\nexport const sluiceLibrary = { api: "1.0", ${more} modules: { ${modules} } };`;

const IDLE = "{ main: (h) => h.run() }";

/** Puts a library into the directory of a broker. */
function put({ dir }: RealBroker, name: string, text: string): string {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
}

async function names(h: Handle): Promise<JsonValue[]> {
  const { modules } = fields(await h.rpc("module.list"), { modules: "array" });
  return modules.map((module) => fields(module, { name: "string" }).name);
}

async function verify(h: Handle, modules: readonly Readonly<Record<string, JsonValue>>[]) {
  const answer = fields(await h.rpc("module.verify", { modules: [...modules] }), {
    failures: "array",
    leftOut: "array",
    digests: "object",
  });
  const texts = (list: readonly JsonValue[]): string[] =>
    list.map((one) => {
      const { library, module, message } = fields(one, {
        library: "string",
        module: "string?",
        message: "string",
      });
      return `${library}${module === undefined ? "" : `#${module}`}: ${message}`;
    });
  return { failures: texts(answer.failures), leftOut: texts(answer.leftOut), digests: answer.digests };
}

const text = (value: JsonValue | undefined): string =>
  fields({ value: value ?? null }, { value: "string" }).value;

/** An error of a load, with what its message has. */
const refusal = (part: string | RegExp): object => ({
  asymmetricMatch: ({ errnum, message }: { readonly errnum?: number; readonly message: string }) =>
    errnum === ERRNO.EINVAL && (typeof part === "string" ? message.includes(part) : part.test(message)),
  toString: () => `EINVAL ${String(part)}`,
});

describe("a module of a library", () => {
  test.each([
    ["JavaScript", "lib.mjs", library(`a: ${SCHED}`), {}],
    [
      "CommonJS",
      "lib.cjs",
      library(`a: ${SCHED}`).replace("export const", "exports.").replace("exports. ", "exports."),
      {},
    ],
    [
      "TypeScript",
      "lib.ts",
      `import type { Library } from "sluice";\n${library(`a: ${SCHED}`).replace("sluiceLibrary =", "sluiceLibrary: Library =")}`,
      {},
    ],
    ["JavaScript, in a process", "lib.mjs", library(`a: ${SCHED}`), { exec: true }],
  ])("in %s is loaded under its own name or another, with its arguments", async (_what, file, text, how) => {
    const broker = await realBroker();
    const path = put(broker, file, text);
    const { handle } = broker;
    const load = (request: object): Promise<unknown> =>
      handle.rpc("module.load", { path: `${path}#a`, ...how, ...request });
    await load({ args: ["x"] });
    expect(await handle.rpc("a.alloc")).toEqual({ name: "a", args: ["x"], count: 1 });
    // The service of its kind is its own.
    expect(await handle.rpc("sched.alloc")).toEqual({ name: "a", args: ["x"], count: 2 });
    await expect(handle.rpc("module.remove", { name: path })).rejects.toMatchObject({ errnum: ERRNO.ENOENT });
    await handle.rpc("module.remove", { name: `${path}#a` });
    await load({ name: "b" });
    expect(await handle.rpc("b.alloc")).toEqual({ name: "b", args: [], count: 1 });
    const { modules } = fields(await handle.rpc("module.list"), { modules: "array" });
    expect(modules).toEqual([expect.objectContaining({ name: "b", path: `${path}#a`, services: ["sched"] })]);
  });

  test("is refused by name if the library has none such, and the library itself if no module is named", async () => {
    const broker = await realBroker();
    const path = put(broker, "lib.mjs", library(`fifo: ${IDLE}, fair: ${IDLE}`));
    const { handle } = broker;
    await expect(handle.rpc("module.load", { path: `${path}#fifi` })).rejects.toEqual(
      refusal(`${path}#fifi: is not in the library, which has fifo, fair; did you mean 'fifo'?`),
    );
    await expect(handle.rpc("module.load", { path })).rejects.toEqual(
      refusal(`${path}: is a library; name one of its modules: ${path}#fifo, ${path}#fair`),
    );
    const plain = put(broker, "plain.mjs", "export const modMain = (h) => h.run();");
    await expect(handle.rpc("module.load", { path: `${plain}#a` })).rejects.toEqual(
      refusal(`${plain}: is not a library`),
    );
    expect(await names(handle)).toEqual([]);
  });

  test("is held to what is loaded already", async () => {
    const broker = await realBroker();
    const path = put(
      broker,
      "lib.mjs",
      library(`base: { version: "1.4.0", main: (h) => h.run() },
        top: { requires: { base: "^1.2" }, main: (h) => h.run() },
        rival: { version: "3.0.0", conflicts: ["base"], main: (h) => h.run() }`),
    );
    const { handle } = broker;
    const load = (name: string): Promise<unknown> => handle.rpc("module.load", { path: `${path}#${name}` });
    await expect(load("top")).rejects.toEqual(refusal("#top: requires 'base' ^1.2, which is not picked"));
    await load("base");
    await load("top");
    await expect(load("rival")).rejects.toEqual(
      refusal("#rival: conflicts with 'base'; 'base' 1.4.0 is picked too"),
    );
    expect(await names(handle)).toEqual(["base", "top"]);
  });
});

describe("binding", () => {
  test("trap-G8: refuses a module that lacks methods of its kind, and leaves nothing of it", async () => {
    const broker = await realBroker();
    const path = put(
      broker,
      "lib.mjs",
      library(`half: { kind: "sched", main: async (h) => {
        await h.registerService("extra"); h.handle("alloc", () => ({})); h.handle("pause", () => ({})); await h.run();
      } }`),
    );
    const { handle } = broker;
    await expect(handle.rpc("module.load", { path: `${path}#half` })).rejects.toEqual(
      refusal(
        `${path}#half: lacks free; kind sched 1.0 demands the methods alloc, free, it has alloc, pause`,
      ),
    );
    expect(await names(handle)).toEqual([]);
    for (const service of ["half", "sched", "extra"]) {
      await expect(handle.rpc(`${service}.alloc`)).rejects.toMatchObject({ errnum: ERRNO.ENOSYS });
    }
  });

  test("goes by the kinds of the configuration", async () => {
    const broker = await realBroker({
      config: { kinds: { sched: { version: "1.0", methods: ["pause"] }, greeter: "2.1" } },
    });
    const path = put(
      broker,
      "lib.mjs",
      library(`a: ${SCHED}, hi: { kind: "greeter", kindVersion: "2.0", main: (h) => h.run() }`),
    );
    const { handle } = broker;
    await expect(handle.rpc("module.load", { path: `${path}#a` })).rejects.toEqual(
      refusal("#a: lacks pause; kind sched 1.0 demands the methods pause, it has alloc, free"),
    );
    await handle.rpc("module.load", { path: `${path}#hi` });
    expect(await handle.rpc("service.owner", { name: "greeter" })).toEqual({ owner: "hi" });
  });

  test("refuses a second module of a kind, whose service is taken", async () => {
    const broker = await realBroker();
    const path = put(broker, "lib.mjs", library(`a: ${SCHED}, b: ${SCHED}`));
    const { handle } = broker;
    await handle.rpc("module.load", { path: `${path}#a` });
    await expect(handle.rpc("module.load", { path: `${path}#b` })).rejects.toMatchObject({
      errnum: ERRNO.EEXIST,
      message: "a already provides service sched",
    });
    expect(await names(handle)).toEqual(["a"]);
    await handle.rpc("module.reload", { name: "a" });
    expect(await handle.rpc("sched.alloc")).toMatchObject({ name: "a", count: 1 });
  });
});

describe("a library that is changed", () => {
  test("between open and instantiate is refused, with what it was and is", async () => {
    const broker = await realBroker();
    const { handle } = broker;
    const path = put(broker, "lib.mjs", library(`a: ${IDLE}`));
    const { failures, digests } = await verify(handle, [{ name: "a", path: `${path}#a` }]);
    expect(failures).toEqual([]);
    const digest = text(digests["a"]);
    put(broker, "lib.mjs", library(`a: { main: () => { throw new Error("not verified"); } }`));
    await expect(handle.rpc("module.load", { path: `${path}#a`, digest })).rejects.toEqual(
      refusal(
        new RegExp(`${path}: has changed since Sluice verified it: its digest was ${digest} and is sha256-`),
      ),
    );
    expect(await names(handle)).toEqual([]);
  });

  test("while a module of it starts is refused when that runs", async () => {
    const broker = await realBroker();
    const { handle, dir } = broker;
    const path = put(
      broker,
      "lib.mjs",
      `import { appendFileSync } from "node:fs";
       ${library(`a: { main: (h) => { appendFileSync(${JSON.stringify(join(dir, "lib.mjs"))}, "\\n"); return h.run(); } }`)}`,
    );
    await expect(handle.rpc("module.load", { path: `${path}#a` })).rejects.toEqual(
      refusal("has changed since Sluice verified it"),
    );
    expect(await names(handle)).toEqual([]);
  });

  test("is verified anew when its module is reloaded, before the old one is stopped", async () => {
    const broker = await realBroker();
    const { handle } = broker;
    const path = put(broker, "lib.mjs", library(`a: ${SCHED}`));
    const { digests } = await verify(handle, [{ name: "a", path: `${path}#a` }]);
    await handle.rpc("module.load", { path: `${path}#a`, digest: text(digests["a"]) });
    put(broker, "lib.mjs", library(`a: ${SCHED}`, 'host: ">=99",'));
    await expect(handle.rpc("module.reload", { name: "a" })).rejects.toEqual(
      refusal(/is built for Sluice >=99; this host is \d/),
    );
    expect(await handle.rpc("sched.alloc")).toMatchObject({ count: 1 });
    put(broker, "lib.mjs", library(`a: ${SCHED.replace("++count", "40 + ++count")}`));
    await handle.rpc("module.reload", { name: "a" });
    expect(await handle.rpc("sched.alloc")).toMatchObject({ count: 41 });
  });
});

describe("the libraries of a plan", () => {
  test("trap-G1: one that throws, exits, loops or cannot be parsed is one line each, and harms nothing else", async () => {
    const broker = await realBroker({
      attributes: { "broker.module-nopanic": "1", "broker.library-timeout": "5s" },
    });
    const { handle, log } = broker;
    const bad = {
      throws: 'const x = 1;\nthrow new Error("at import\\nsecond line");',
      exits: "process.exit(3);",
      loops: "for (;;);",
      waits: "await new Promise(() => {});",
      broken: "export const = ;",
      plain: "export const modMain = (h) => h.run();",
    };
    const paths = Object.entries(bad).map(([name, text]) => put(broker, `${name}.mjs`, text));
    const good = put(broker, "good.mjs", library(`a: ${IDLE}`));
    const asked = [...paths, good].map((path, i) => ({ name: `m${i}`, path: `${path}#a` }));
    const { failures, digests } = await verify(handle, asked);
    const [throws, exits, loops, waits, broken, plain] = paths;
    expect(failures).toEqual([
      `${throws}: 2:7: at import`,
      `${exits}: exit status 3 during the read`,
      `${loops}: is not read within the broker.library-timeout of 5 s`,
      `${waits}: is not read within the broker.library-timeout of 5 s`,
      expect.stringMatching(new RegExp(`^${broken}: .*1:14.*`)),
      `${plain}: is not a library`,
    ]);
    expect(Object.keys(digests)).toContain("m6");
    // trap-G9: each is logged when it is found, those that hang last.
    expect(log.filter((line) => paths.some((path) => line.startsWith(path))).toSorted()).toEqual(
      failures.toSorted(),
    );
    expect(await handle.rpc("module.load", { path: `${good}#a` })).toMatchObject({ name: "a" });
  });

  test("trap-G2: an answer that comes after the time-out changes nothing", async () => {
    const broker = await realBroker({ attributes: { "broker.library-timeout": "200ms" } });
    const path = put(
      broker,
      "late.mjs",
      `const end = Date.now() + 2000; while (Date.now() < end);\n${library(`a: ${IDLE}`)}`,
    );
    const { failures, digests } = await verify(broker.handle, [{ name: "a", path: `${path}#a` }]);
    expect(failures).toEqual([`${path}: is not read within the broker.library-timeout of 0.2 s`]);
    expect(digests).toEqual({});
  });

  test("trap-G3: a library made with another copy of the package is recognised", async () => {
    const broker = await realBroker();
    const path = put(
      broker,
      "other.mjs",
      `class Library { api = "1.0"; modules = { a: ${IDLE} }; [Symbol.for("sluice.library")] = "0.2.9"; }
       export default new Library();`,
    );
    const { failures } = await verify(broker.handle, [{ name: "a", path: `${path}#a` }]);
    expect(failures).toEqual([]);
    await broker.handle.rpc("module.load", { path: `${path}#a` });
  });

  test("that others may write to are refused, unless that was set aside", async () => {
    const broker = await realBroker();
    const path = put(broker, "lib.mjs", library(`a: ${IDLE}`));
    chmodSync(path, 0o666);
    const asked = { name: "a", path: `${path}#a` };
    const { failures } = await verify(broker.handle, [asked]);
    expect(failures).toEqual([expect.stringContaining("may be written by")]);
    expect(await verify(broker.handle, [{ ...asked, insecure: true }])).toMatchObject({ failures: [] });
    await broker.handle.rpc("module.load", { path: `${path}#a`, insecure: true });
  });

  test("with compatible() that throws, refuses, or asks for the host's versions", async () => {
    const broker = await realBroker();
    const path = put(
      broker,
      "lib.mjs",
      library(`throws: { compatible() { throw new Error("no idea"); }, main: (h) => h.run() },
        refuses: { compatible: () => false, main: (h) => h.run() },
        says: { compatible: async ({ version, api, kinds }) => \`not with \${version}, \${api}, \${kinds.sched}\`, main: (h) => h.run() },
        takes: { compatible: () => true, main: (h) => h.run() },
        unasked: { compatible: () => { for (;;); }, main: (h) => h.run() }`),
    );
    const asked = ["throws", "refuses", "says", "takes"].map((name) => ({ name, path: `${path}#${name}` }));
    const { failures } = await verify(broker.handle, asked);
    const host = String(broker.broker.attributes.get("version"));
    const refused = `is not compatible with this host, Sluice ${host}`;
    expect(failures).toEqual([
      `${path}#throws: ${refused}: compatible() failed: no idea`,
      `${path}#refuses: ${refused}`,
      `${path}#says: ${refused}: not with ${host}, 1.0, 1.0`,
    ]);
  });

  test("is answered for files that are missing, and ordinary modules count as picked", async () => {
    const broker = await realBroker();
    const path = put(broker, "lib.mjs", library(`a: { conflicts: ["simple"], main: (h) => h.run() }`));
    const { failures } = await verify(broker.handle, [
      { name: "a", path: `${path}#a` },
      { name: "gone", path: "/nowhere/lib.mjs#gone" },
      { name: "simple", path: "/nowhere/simple.mjs" },
    ]);
    expect(failures).toEqual([
      "/nowhere/lib.mjs#gone: No such file or directory",
      `${path}#a: conflicts with 'simple'; 'simple' without a version is picked too`,
    ]);
  });

  test("with an optional one that is refused leave that out, and what requires it runs without", async () => {
    const broker = await realBroker();
    const path = put(
      broker,
      "lib.mjs",
      library(`nice: { kind: "shed", main: (h) => h.run() },
        nicer: { requires: ["needed"], main: (h) => h.run() },
        user: { requires: ["nice"], main: (h) => h.run() },
        bad: { version: "x", main: (h) => h.run() }`),
    );
    const { failures, leftOut } = await verify(broker.handle, [
      { name: "nice", path: `${path}#nice`, optional: true },
      { name: "nicer", path: `${path}#nicer`, optional: true },
      { name: "user", path: `${path}#user` },
      { name: "bad", path: `${path}#bad` },
    ]);
    expect(leftOut).toEqual([
      expect.stringContaining(`${path}#nice: is of kind 'shed'`),
      `${path}#nicer: requires 'needed', which is not picked`,
    ]);
    expect(failures).toEqual([`${path}#bad: its version 'x' is not a version`]);
  });

  test("that share their state run in one thread, and otherwise each has its own", async () => {
    const broker = await realBroker();
    const both = `a: { main: (h) => { h.handle("count", () => ({ count: ++count })); return h.run(); } },
      b: { main: (h) => { h.handle("count", () => ({ count: ++count })); return h.run(); } }`;
    const { handle } = broker;
    const counts = async (file: string, more: object): Promise<unknown[]> => {
      for (const name of ["a", "b"]) await handle.rpc("module.load", { path: `${file}#${name}`, ...more });
      const counted = [await handle.rpc("a.count"), await handle.rpc("b.count")];
      for (const name of ["a", "b"]) await handle.rpc("module.remove", { name });
      return counted;
    };
    const shared = put(broker, "shared.mjs", library(both, "shared: true,"));
    const apart = put(broker, "apart.mjs", library(both));
    expect(await counts(shared, {})).toEqual([{ count: 1 }, { count: 2 }]);
    expect(await counts(apart, {})).toEqual([{ count: 1 }, { count: 1 }]);
    expect(await counts(apart, { thread: "group" })).toEqual([{ count: 1 }, { count: 2 }]);
  });
});

const PYTHON = `
import asyncio
import sluice
from sluice.brokermod import BrokerModule, request_handler

COUNT = []

def plain(h, *args):
    def alloc(h, w, msg, arg):
        COUNT.append(1)
        h.respond(msg, {"name": h.name, "args": list(args), "count": len(COUNT)})
    for method in ("alloc", "free"):
        for service in (h.name, "sched"):
            h.msg_watcher(alloc, sluice.constants.MSGTYPE_REQUEST, f"{service}.{method}").start()
    h.reactor_run()

class Cls(BrokerModule):
    @request_handler("sched.alloc", prefix=False)
    def alloc(self, msg):
        self.handle.respond(msg, {"name": self.name})

    @request_handler("sched.free", prefix=False)
    def free(self, msg):
        self.handle.respond(msg)

class Half(BrokerModule):
    @request_handler("alloc")
    def alloc(self, msg):
        self.handle.respond(msg)

async def later(h):
    await h.run()

def boom(host):
    raise RuntimeError("no idea")

SLUICE_LIBRARY = {
    "api": "1.0",
    "host": ">=0.3",
    "python": ">=3.8",
    "modules": {
        "plain": {"kind": "sched", "kindVersion": "1.0", "version": "1.0.0", "main": plain},
        "cls": {"kind": "sched", "main": Cls},
        "half": {"kind": "sched", "main": Half},
        "later": {"main": later, "compatible": lambda host: host["api"] == "1.0"},
        "throws": {"main": later, "compatible": boom},
        "no": {"main": later, "compatible": lambda host: f"not with {host['kinds']['sched']}"},
        "none": {"main": 7},
    },
}
`;

describe("a library in Python", () => {
  test("has functions, coroutines and classes for modules, bound to the methods that they answer", async () => {
    const broker = await realBroker();
    const { handle } = broker;
    const path = put(broker, "lib.py", PYTHON);
    await handle.rpc("module.load", { path: `${path}#plain`, args: ["x"] });
    expect(await handle.rpc("sched.alloc")).toEqual({ name: "plain", args: ["x"], count: 1 });
    await handle.rpc("module.remove", { name: "plain" });
    await handle.rpc("module.load", { path: `${path}#cls`, name: "c" });
    expect(await handle.rpc("sched.alloc")).toEqual({ name: "c" });
    await handle.rpc("module.remove", { name: "c" });
    await handle.rpc("module.load", { path: `${path}#later` });
    await expect(handle.rpc("module.load", { path: `${path}#half` })).rejects.toEqual(
      refusal(
        "#half: lacks alloc, free; kind sched 1.0 demands the methods alloc, free, the module has no own methods",
      ),
    );
    await expect(handle.rpc("module.load", { path })).rejects.toEqual(
      refusal(`${path}: is a library; name one of its modules: ${path}#plain`),
    );
    expect(await names(handle)).toEqual(["later"]);
  });

  test("is refused for the same reasons, and for its range of interpreters", async () => {
    const broker = await realBroker({ attributes: { "broker.library-timeout": "8s" } });
    const path = put(broker, "lib.py", PYTHON);
    const old = put(broker, "old.py", PYTHON.replace('">=3.8"', '"<3"'));
    const files = {
      throws: "x = 1\nraise ValueError('at import\\nsecond')\n",
      exits: "import sys\nsys.exit(3)\n",
      loops: "while True:\n    pass\n",
      broken: "def = 1\n",
      plain: "def mod_main(h):\n    h.reactor_run()\n",
      odd: "SLUICE_LIBRARY = {'api': '1.0', 'modules': {'a': {'version': object()}}}\n",
    };
    const paths = Object.entries(files).map(([name, source]) => put(broker, `${name}.py`, source));
    const asked = [
      ...["throws", "no", "none"].map((name) => ({ name, path: `${path}#${name}` })),
      { name: "old", path: `${old}#later` },
      ...paths.map((file, i) => ({ name: `m${i}`, path: `${file}#a` })),
    ];
    const { failures } = await verify(broker.handle, asked);
    const [throws, exits, loops, broken, plain, odd] = paths;
    expect(failures).toEqual([
      expect.stringMatching(/#throws: is not compatible .*: compatible\(\) failed: no idea$/),
      expect.stringMatching(/#no: is not compatible .*: not with 1\.0$/),
      `${path}#none: has no function main`,
      expect.stringMatching(new RegExp(`^${old}: needs Python <3; this host runs 3\\.`)),
      `${throws}: 2: at import`,
      `${exits}: exit status 3 during the read`,
      `${loops}: is not read within the broker.library-timeout of 8 s`,
      expect.stringMatching(new RegExp(`^${broken}: 1:5: invalid syntax`)),
      `${plain}: is not a library`,
      expect.stringMatching(new RegExp(`^${odd}: cannot write its manifest as JSON`)),
    ]);
  });
});

const MESSAGES = pathToFileURL(join(import.meta.dirname, "../../dist/messages/index.js")).href;

/** A program that prints its manifest, and else is the module that its environment names. */
const PROGRAM = `#!${process.execPath}
  if (process.argv[2] === "--sluice-manifest") {
    console.log(JSON.stringify({ api: "1.0", modules: { a: { kind: "sched", version: "1.0.0" }, b: {} } }));
    process.exit();
  }
  const fd = Number(/^fd:\\/\\/(\\d+)$/.exec(process.env.SLUICE_MODULE_URI)[1]);
  const socket = new (require("node:net").Socket)({ fd, readable: true, writable: true });
  const which = process.env.SLUICE_LIBRARY_MODULE;
  import(${JSON.stringify(MESSAGES)}).then(async ({ socketChannel, runModuleMain }) => {
    const main = async (h) => {
      for (const method of ["alloc", "free"]) h.handle(method, () => ({ which }));
      await h.run();
    };
    await runModuleMain(socketChannel(socket), async () => main, which === "a" ? { kind: "sched" } : undefined);
    socket.once("close", () => process.exit());
  });`;

describe("a library that is a program", () => {
  const putProgram = (broker: RealBroker, name: string, source: string): string => {
    const path = put(broker, name, source);
    chmodSync(path, 0o755);
    return path;
  };

  test("prints its manifest, and is told which of its modules it is to be", async () => {
    const broker = await realBroker();
    const { handle } = broker;
    const path = putProgram(broker, "lib", PROGRAM.replaceAll("\\\\", "\\"));
    await handle.rpc("module.load", { path: `${path}#a` });
    await handle.rpc("module.load", { path: `${path}#b` });
    expect(await handle.rpc("sched.alloc")).toEqual({ which: "a" });
    expect(await handle.rpc("b.alloc")).toEqual({ which: "b" });
    await expect(handle.rpc("module.load", { path: `${path}#c` })).rejects.toEqual(
      refusal("#c: is not in the library, which has a, b"),
    );
  });

  test("is refused if it prints none, too much or nonsense, fails, or goes on", async () => {
    const broker = await realBroker({ attributes: { "broker.library-timeout": "1s" } });
    const scripts = {
      silent: "exit 0",
      nonsense: "echo hello",
      fails: "exit 4",
      goes: "exec sleep 1000",
      much: "yes",
    };
    const paths = Object.entries(scripts).map(([name, line]) =>
      putProgram(broker, name, `#!/bin/sh\n${line}\n`),
    );
    const asked = paths.map((path, i) => ({ name: `m${i}`, path: `${path}#a` }));
    const { failures } = await verify(broker.handle, asked);
    const [silent, nonsense, fails, goes, much] = paths;
    expect(failures).toEqual([
      `${silent}: is not a library`,
      `${nonsense}: its output is not JSON`,
      `${fails}: exit status 4 during the read`,
      `${goes}: is not read within the broker.library-timeout of 1 s`,
      `${much}: writes more than a manifest can have`,
    ]);
  });
});

const OLD = join(import.meta.dirname, "../fixtures/libraries");

test("trap-G6: libraries that were built for api 1.0 still load", async () => {
  const { handle } = await realBroker();
  for (const path of ["api-1.0.mjs#old-base", "api-1.0.mjs#old-sched", "api_1_0.py#old-py"]) {
    await handle.rpc("module.load", { path: join(OLD, path) });
  }
  expect(await handle.rpc("sched.alloc", { id: 1 })).toEqual({ who: "old-sched", got: { id: 1 } });
  expect(await names(handle)).toEqual(["old-base", "old-sched", "old-py"]);
});
