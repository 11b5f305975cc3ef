import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";

/** The built command line. */
export const SLUICE = resolve(import.meta.dirname, "../../dist/cli/main.cjs");

export interface Finished {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: string;
  /** What to run the command with, such as `setpriv` and its options. */
  readonly prefix?: readonly string[];
  /** Another command line than the built one. */
  readonly program?: string;
}

export interface RunningCommand {
  readonly pid: number;
  readonly finished: Promise<Finished>;
  kill(signal: NodeJS.Signals): void;
  /** Standard output so far. */
  output(): string;
  /** Resolves once standard output or error holds the text; rejects if the command ends before. */
  waitFor(text: string): Promise<void>;
}

/**
 * A place of its own for one test: a runtime directory that must be empty again at the end, and a directory
 * for files. A mark in the environment finds every process that descends from it.
 */
export class Sandbox {
  readonly dir = mkdtempSync(join(tmpdir(), "sluice-test-"));
  readonly runtimeDir = mkdtempSync(join(this.dir, "run-"));
  readonly #mark = randomUUID();

  /** Starts `sluice ARGS…` with `sluice` itself on the path of whatever it starts. */
  start(args: readonly string[], options: RunOptions = {}): RunningCommand {
    return this.#start(
      [...(options.prefix ?? []), process.execPath, options.program ?? SLUICE, ...args],
      options,
    );
  }

  run(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    return this.start(args, options).finished;
  }

  /** Runs a script in a shell, with `sluice` on its path. */
  shell(script: string, env: Readonly<Record<string, string>> = {}): Promise<Finished> {
    return this.#start(["bash", "-c", script], { env }).finished;
  }

  /** Puts a file into the sandbox's directory. */
  write(path: string, text: string): string {
    const file = join(this.dir, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  }

  #start([file = "", ...args]: readonly string[], options: RunOptions): RunningCommand {
    const child = spawn(file, args, {
      cwd: options.cwd ?? this.dir,
      env: this.environment(options.env),
      stdio: "pipe",
    });
    let stdout = "";
    let stderr = "";
    const watchers = new Set<() => void>();
    const notify = (): void => watchers.forEach((watch) => watch());
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      notify();
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
      notify();
    });
    child.stdin.on("error", () => child.stdin.destroy());
    child.stdin.end(options.input ?? "");
    const finished = new Promise<Finished>((done, failed) => {
      child.once("error", failed);
      child.once("close", (status, signal) => done({ status, signal, stdout, stderr }));
    });
    return {
      pid: child.pid ?? -1,
      finished,
      kill: (signal) => child.kill(signal),
      output: () => stdout,
      waitFor: (text) =>
        new Promise((found, failed) => {
          const watch = (): void => {
            if (!stdout.includes(text) && !stderr.includes(text)) return;
            watchers.delete(watch);
            found();
          };
          watchers.add(watch);
          watch();
          void finished.then(
            () => failed(new Error(`ended before it printed ${text}: ${stdout}${stderr}`)),
            failed,
          );
        }),
    };
  }

  environment(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
    const clean = Object.entries(process.env).filter(([name]) => !/^(SLUICE|FLUX|VITEST|NODE_)/.test(name));
    return {
      ...(Object.fromEntries(clean) as Record<string, string>),
      PATH: [join(dirname(SLUICE), "../../node_modules/.bin"), process.env["PATH"] ?? ""].join(delimiter),
      XDG_RUNTIME_DIR: this.runtimeDir,
      SLUICE_CONFDIR: join(this.dir, "no-confdir"),
      SLUICE_TEST_MARK: this.#mark,
      NO_COLOR: "1",
      // The pipes of Node are sockets: a first bash on one takes itself for a remote login and reads ~/.bashrc.
      SHLVL: "1",
      ...extra,
    };
  }

  /** Processes that this sandbox started, directly or not, and that still run; zombies are not counted. */
  survivors(): string[] {
    const mark = `SLUICE_TEST_MARK=${this.#mark}`;
    return readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && readProc(pid, "environ").includes(mark));
  }

  /** Sends a signal to all of them at once; some may just be ending by themselves. */
  signalSurvivors(signal: NodeJS.Signals): void {
    for (const pid of this.survivors()) kill(Number(pid), signal);
  }

  /** The process of this sandbox that runs `sluice COMMAND`. */
  processNamed(command: string): number {
    const pid = this.survivors().find((one) => readProc(one, "cmdline").includes(`main.cjs\0${command}\0`));
    if (pid === undefined) throw new Error(`no sluice ${command} runs`);
    return Number(pid);
  }

  /** What is left in the runtime directory. */
  leftovers(): string[] {
    return readdirSync(this.runtimeDir);
  }

  remove(): void {
    this.signalSurvivors("SIGKILL");
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Sends a signal to a process that may just be ending by itself. */
function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** A file of a process, empty if the process has gone meanwhile. */
function readProc(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch {
    return "";
  }
}
