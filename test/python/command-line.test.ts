import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RcBox } from "./support/rc-case.js";

let box: RcBox;
beforeEach(() => {
  box = new RcBox();
});
afterEach(() => {
  box.remove();
});

describe("sluice python", () => {
  test("runs python3 with our packages on its path, and passes arguments and status on", async () => {
    const code = "import sys, sluice, flux.kvs; print(sys.argv[1:]); sys.exit(3)";
    const { status, stdout } = await box.run(["python", "-c", code, "--version", "-x"]);
    expect({ status, stdout }).toEqual({ status: 3, stdout: "['--version', '-x']\n" });
  });

  test("passes on the signal that it died by", async () => {
    const code = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)";
    expect((await box.run(["python", "-c", code])).status).toBe(128 + 15);
  });

  test("says so where there is no python3", async () => {
    const { status, stderr } = await box.run(["python", "-c", "0"], { env: { PATH: "/nonexistent" } });
    expect({ status, stderr }).toEqual({
      status: 127,
      stderr: "sluice-python: python3: command not found\n",
    });
  });

  test("has help of its own", async () => {
    const { status, stdout } = await box.run(["python", "--help"]);
    expect(status).toBe(0);
    expect(stdout).toContain("Example:");
  });
});

describe("rc files of every kind in one plan", () => {
  const PYTHON = `from flux.modprobe import task
@task("py-NAME", after=["AFTER"])
def run(context): context.set("trail", [*context.get("trail", []), "py-NAME"])
`;
  const SCRIPT = `import { task } from "sluice/rc";
task("ts-NAME", { after: ["AFTER"] }, (c) => {
  c.set("trail", [...((c.get("trail") as string[] | undefined) ?? []), "ts-NAME"]);
});
`;

  function rcFile(name: string, template: string, after: string): void {
    const [word = ""] = name.split(".");
    box.put(`conf/modprobe/rc1.d/${name}`, template.replaceAll("NAME", word).replaceAll("AFTER", after));
  }

  test("are read by file name, and their tasks run together", async () => {
    rcFile("10.py", PYTHON, "ts-20");
    rcFile("20.ts", SCRIPT, "py-30");
    rcFile("30.py", PYTHON, "ts-40");
    rcFile("40.mjs", SCRIPT.replace(" as string[] | undefined", ""), "warm");
    box.put("conf/modprobe/rc1.d/50.toml", '[[tasks]]\nname = "warm"\ncommand = ["true"]\n');
    box.put(
      "conf/modprobe/rc1.d/60.py",
      'from sluice import task\n@task("tell", after=["*"])\ndef tell(context): print(context.get("trail"))\n',
    );
    const env = { SLUICE_CONFDIR: join(box.dir, "conf"), SLUICE_LIBEXECDIR: join(box.dir, "none") };
    const { status, stdout, stderr } = await box.run(["modprobe", "rc1", "-v"], { env });
    expect(stderr.match(/loading .*\/(\d+\.\w+)/g)?.map((line) => line.slice(-5))).toEqual(
      ["10.py", "20.ts", "30.py", "0.mjs", ".toml", "60.py"].map((end) => end.slice(-5)),
    );
    expect({ status, stdout }).toEqual({ status: 0, stdout: "['ts-40', 'py-30', 'ts-20', 'py-10']\n" });
  });

  test("start no interpreter where there is no Python", async () => {
    writeFileSync(join(box.dir, "rc.toml"), '[[tasks]]\nname = "a"\ncommand = "echo a"\n');
    const { status, stdout } = await box.run(["modprobe", "run", "rc.toml"], {
      env: { PATH: "/usr/bin:/bin", PYTHONHOME: "/nonexistent" },
    });
    expect({ status, stdout }).toEqual({ status: 0, stdout: "a\n" });
  });
});

describe("Python in an instance", () => {
  test("runs commands in the background with the names of Flux", async () => {
    const program = box.put(
      "program.py",
      `import errno, os, signal
import flux, flux.subprocess as sub
h = flux.Flux()
a = sub.rexec_bg(h, ["sh", "-c", "echo out; echo err >&2; exit 3"], label="a", waitable=True)
assert a.get_rank() == h.get_rank() and a.get_pid() == a.get()["pid"]
end = sub.wait(h, label="a")
print(os.WEXITSTATUS(end.get_status()), end.stdout, end.stderr)
b = sub.rexec_bg(h, ["sleep", "1000"], env={"PATH": os.environ["PATH"]}, waitable=True)
sub.kill(h, signal.SIGKILL, pid=b.get_pid()).get()
print(os.WTERMSIG(sub.wait(h, pid=b.get_pid()).get_status()))
def errnum(call):
    try: return call()
    except OSError as error: return errno.errorcode[error.errno]
    except ValueError: return "ValueError"
print(errnum(sub.rexec_bg(h, ["/nonexistent"]).get))
print(errnum(sub.wait(h, pid=1).get), errnum(lambda: sub.kill(h, label="none")), errnum(lambda: sub.wait(h)))
print(errnum(h.rpc("content.checkpoint-get", {"key": "kvs-primary"}).get))
sub.rexec_bg(h, ["sleep", "1000"]).get()
`,
    );
    const { status, stdout, stderr } = await box.run(["start", "sluice", "python", program]);
    expect({ status, stdout, stderr }).toEqual({
      status: 0,
      stdout: "3 b'out\\n' b'err\\n'\n9\nENOENT\nENOENT ENOENT ValueError\nENOENT\n",
      stderr: "",
    });
    expect(box.survivors()).toEqual([]);
  });

  test("reaches it from rc files and from programs, over one key-value store", async () => {
    box.put(
      "conf/modprobe/rc1.d/10.py",
      `import flux, flux.kvs
from flux.modprobe import ModuleList, task

def setup(context):
    context.setopt("heartbeat", "interval=5")

@task("store", after=["*"])
def store(context):
    handle = flux.Flux()
    flux.kvs.put(handle, "site.modules", sorted(ModuleList(handle))[:2])
    flux.kvs.commit(handle)
    context.setenv("SITE", "set by rc1")
`,
    );
    const program = box.put(
      "program.py",
      `import os, sluice
with sluice.Sluice() as h:
    print(h.rpc("kvs.get", {"key": "site.modules"}).get()["value"], os.environ["SITE"])
    print([m["args"] for m in h.rpc("module.list").get()["modules"] if m["name"] == "heartbeat"])
`,
    );
    const { status, stdout, stderr } = await box.run(["start", "sluice", "python", program], {
      cwd: join(import.meta.dirname, "../.."),
      env: { SLUICE_CONFDIR: join(box.dir, "conf") },
    });
    expect({ status, stdout, stderr }).toEqual({
      status: 0,
      stdout: "['content', 'content-sqlite'] set by rc1\n[['interval=5']]\n",
      stderr: "",
    });
    expect(readdirSync(box.runtimeDir)).toEqual([]);
    expect(box.survivors()).toEqual([]);
  });

  test("fault-C11: handles made and closed one after the other in one asyncio loop all answer", async () => {
    const program = box.put(
      "program.py",
      `import asyncio, sluice.aio

async def ping(number):
    h = sluice.aio.Sluice()
    answer = await h.rpc("kvs.ping", {"n": number})
    descriptor = h.fileno()
    h.close()
    return answer["n"], descriptor

async def main():
    answers = [await asyncio.wait_for(ping(number), 30) for number in range(3)]
    print([number for number, _ in answers], len({descriptor for _, descriptor in answers}))

asyncio.run(main())
`,
    );
    const { status, stdout, stderr } = await box.run(["start", "sluice", "python", program]);
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "[0, 1, 2] 1\n", stderr: "" });
  });
});
