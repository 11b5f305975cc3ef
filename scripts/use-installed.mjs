/**
 * Uses an installed package as a user would, from another directory and with another home: the manual page, completion,
 * an instance, a plan, a module in Python, a picture, the library, and the page. `use-installed.mjs PREFIX [NODE]` does so
 * with the Node of that path.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/**
 * @param {string} prefix where npm has put it
 * @param {string} node the program to run it with
 * @throws at the first thing that fails
 */
export async function useInstalled(prefix, node) {
  const home = mkdtempSync(join(tmpdir(), "sluice-home-"));
  try {
    const use = userOf(prefix, node, home);
    useManual(use);
    usePlans(use);
    useInstance(use, home);
    useLibrary(use, prefix, home);
    await usePage(use);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

/** A shell of a user whose PATH begins with the Node and the package; `expected` must be in what it prints. */
function userOf(prefix, node, home) {
  const bin = join(home, "bin");
  mkdirSync(bin);
  symlinkSync(node, join(bin, "node"));
  const env = {
    ...{ HOME: home, LANG: "C.UTF-8", MANPATH: join(prefix, "share/man"), TERM: "dumb" },
    PATH: `${bin}:${join(prefix, "bin")}:${process.env.PATH}`,
  };
  const shell = (line, expected) => {
    const { status, stdout, stderr } = spawnSync("bash", ["-c", line], { cwd: home, env, encoding: "utf8" });
    if (status !== 0 || !expected.test(stdout)) {
      throw new Error(
        `node ${process.version}: ${line}\nstatus ${status}, expected ${expected}\n${stdout}${stderr}`,
      );
    }
    console.log(`  ${line.split("\n")[0]}`);
  };
  return { shell, env, home };
}

function useManual({ shell }) {
  shell("node --version", /^v/);
  shell("sluice version", /^sluice \d/);
  shell("man -w sluice", /man1\/sluice\.1$/m);
  shell("man -w sluice-modprobe", /sluice-modprobe\.1$/m);
  shell(COMPLETE, /^modprobe$/m);
}

function usePlans({ shell }) {
  shell("sluice modprobe show kvs", /kvs/);
  shell("sluice modprobe rc1 --dry-run", /^load content$/m);
  shell("sluice modprobe graph -o plan.svg && head -c 200 plan.svg", /<svg/);
  shell("sluice modprobe graph -o plan.png && head -c 4 plan.png", /PNG/);
}

function useInstance({ shell }, home) {
  writeFileSync(join(home, "greet.py"), GREET_PY);
  writeFileSync(join(home, "greet-ts.ts"), GREET_TS);
  shell("sluice start true; echo $?", /^0$/m);
  shell('sluice start "sluice kvs put a=4 && sluice kvs get a"', /^4$/m);
  shell(`sluice start "sluice module load ./greet.py && sluice rpc greet.hello '{}'"`, /from Python/);
  shell(
    `sluice start "sluice module load ./greet-ts.ts && sluice rpc greet-ts.hello '{}'"`,
    /from TypeScript/,
  );
}

function useLibrary({ shell }, prefix, home) {
  mkdirSync(join(home, "node_modules"));
  symlinkSync(join(prefix, "lib/node_modules/sluice"), join(home, "node_modules/sluice"));
  writeFileSync(join(home, "program.mjs"), PROGRAM);
  shell("node program.mjs", /^served true true true$/m);
  writeFileSync(join(home, "host.py"), HOST_PY);
  shell(`PYTHONPATH="${join(prefix, "lib/node_modules/sluice/python")}" python3 host.py`, /from Python/);
}

/** `sluice web` prints where it is, and the page is there. */
async function usePage({ env, home }) {
  const line = 'exec sluice start -- bash -c "exec sluice web --listen=unix:page.sock"';
  const child = spawn("bash", ["-c", line], { cwd: home, env, stdio: ["ignore", "pipe", "inherit"] });
  try {
    await new Promise((done, fail) => {
      child.once("exit", (status) => fail(new Error(`sluice web ended with status ${status}`)));
      child.stdout.once("data", done);
    });
    const { stdout } = spawnSync("curl", ["-s", "--unix-socket", "page.sock", "http://localhost/"], {
      cwd: home,
      encoding: "utf8",
    });
    if (!stdout.includes("<html")) throw new Error(`sluice web shows ${stdout}`);
    console.log("  sluice web");
  } finally {
    child.removeAllListeners("exit");
    const ended = new Promise((done) => child.once("exit", done));
    child.kill("SIGTERM");
    await ended;
  }
}

/** What a user gets who presses the tabulator. */
const COMPLETE = `source <(sluice completion bash)
COMP_WORDS=(sluice modp) COMP_CWORD=1 COMP_LINE="sluice modp" COMP_POINT=11
f=$(complete -p sluice | sed 's/.*-F \\([^ ]*\\).*/\\1/'); $f sluice modp sluice; echo "\${COMPREPLY[@]%% }"`;

const GREET_PY = `from sluice import BrokerModule, request_handler

class Greet(BrokerModule):
    @request_handler("hello")
    def hello(self, msg):
        self.handle.respond(msg, {"text": "from Python"})
`;

const HOST_PY = `import sluice

with sluice.run_module("./greet.py") as module:
    print(module.handle.rpc("greet.hello", {}).get())
`;

const GREET_TS = `import { type Handle, SluiceError } from "sluice";

export async function modMain(h: Handle): Promise<void> {
  h.handle("hello", () => ({ text: \`from TypeScript, ${"${typeof SluiceError}"}\` }));
  await h.run();
}
`;

const PROGRAM = `import { Broker, composeUnits, plan, planInWorker } from "sluice";
import { task } from "sluice/rc";

const units = await composeUnits({});
const input = { roots: ["kvs"], facts: { rank: 0, size: 1 } };
const planned = plan(units.value, input);
const again = await planInWorker(units.value, input);
const broker = await Broker.start({ units, roots: ["kvs"] });
const handle = await broker.connect();
await handle.rpc("kvs.ping", {});
await broker.shutdown();
console.log("served", planned.ok, again.ok, typeof task === "function");
`;

if (process.argv[1] === import.meta.filename) {
  const [prefix, node = process.execPath] = process.argv.slice(2);
  await useInstalled(resolve(prefix), node);
}
