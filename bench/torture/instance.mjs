/** One life of an instance: `sluice start`, from its start until no part of it is left. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { connect } from "../../dist/index.js";
import { MarkedProcesses } from "./processes.mjs";

export const SLUICE = fileURLToPath(new URL("../../dist/cli/main.cjs", import.meta.url));
const COMMANDS = fileURLToPath(new URL("../../node_modules/.bin", import.meta.url));

/** Reports that the instance is up, and ends with its standard input. */
const PROGRAM = ["sh", "-c", 'echo "up:$SLUICE_URI"; exec cat'];

/** Longer than any of these takes on a busy machine. */
const START_TIMEOUT_MS = 120_000;
const END_TIMEOUT_MS = 120_000;
const COMMAND_TIMEOUT_MS = 120_000;
const GONE_TIMEOUT_MS = 10_000;
const POLL_MS = 50;

/** A violation by an instance. */
export class Misbehaviour extends Error {
  /** @param kind `start`, `end`, `hang`, `leftover` or `command` */
  constructor(kind, text) {
    super(text);
    this.kind = kind;
  }
}

export class Instance {
  #child;
  #ended;
  #environment;
  #runtimeDir;
  #uri;
  #stderr = "";
  #processes = new MarkedProcesses();
  ranks;
  isRunning = true;

  /**
   * Starts it; `up` waits for it.
   * @param options `args` of `sluice start`, `ranks`, `environment`, `runtimeDir` (its own, to be empty at the end), `prefix`:
   *   a command line that runs it
   */
  constructor({ args, ranks, environment, runtimeDir, prefix = [] }) {
    this.ranks = ranks;
    this.#runtimeDir = runtimeDir;
    this.#environment = {
      ...environmentOfUsers(),
      PATH: [COMMANDS, process.env.PATH].join(delimiter),
      XDG_RUNTIME_DIR: runtimeDir,
      SLUICE_CONFDIR: join(runtimeDir, "no-confdir"),
      NO_COLOR: "1",
      ...environment,
      ...this.#processes.environment,
    };
    const [command, ...words] = [
      ...prefix,
      process.execPath,
      SLUICE,
      "start",
      `--size=${ranks}`,
      ...args,
      ...PROGRAM,
    ];
    this.#child = spawn(command, words, { env: this.#environment, stdio: "pipe" });
    this.#child.stderr.setEncoding("utf8").on("data", (text) => (this.#stderr += text));
    this.#child.stdin.on("error", () => this.#child.stdin.destroy());
    this.#ended = once(this.#child, "close").then(([status, signal]) => {
      this.isRunning = false;
      return { status, signal };
    });
    this.#ended.catch(() => (this.isRunning = false));
  }

  /** Resolves when the initial program runs. @throws Misbehaviour when it does not come to that */
  async up() {
    const announced = new Promise((resolve) => {
      let output = "";
      this.#child.stdout.setEncoding("utf8").on("data", (text) => {
        output += text;
        const uri = /up:(.*)\n/.exec(output)?.[1];
        if (uri !== undefined) resolve(uri);
      });
    });
    const uri = await Promise.race([announced, this.#ended, timeout(START_TIMEOUT_MS)]);
    if (typeof uri === "string") this.#uri = uri;
    else if (uri === undefined)
      throw new Misbehaviour("hang", this.#account(`not up within ${START_TIMEOUT_MS / 1000} s`));
    else throw new Misbehaviour("start", this.#account(`the start failed with ${outcomeText(uri)}`));
  }

  /** That of a rank, by the socket in the run directory that all share. */
  uri(rank) {
    return this.#uri.replace(/local-\d+$/, `local-${rank}`);
  }

  async brokerPid(rank) {
    return Number(
      await this.ask((handle) => handle.rpc("attr.get", { name: "broker.pid" }, { rank })).then(
        ({ value }) => value,
      ),
    );
  }

  /** The broker of a rank, also before it serves anything. */
  findBroker(rank) {
    return this.#processes.find("broker", `--rank=${rank}`);
  }

  /** The process of a module of rank 0; undefined if it has none of its own, or is not loaded. */
  async modulePid(name) {
    const { modules } = await this.ask((handle) => handle.rpc("module.usage"));
    return modules.find((module) => module.name === name)?.pid;
  }

  async ask(question) {
    const handle = await connect(this.uri(0));
    try {
      return await question(handle);
    } finally {
      await handle.close();
    }
  }

  /** Runs `sluice ARGS…` in it; the result has `status`, `stdout`, `stderr`. */
  async command(...args) {
    const child = this.start(...args);
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"])
      child[name].setEncoding("utf8").on("data", (text) => (output[name] += text));
    const closed = await Promise.race([once(child, "close"), timeout(COMMAND_TIMEOUT_MS)]);
    if (closed === undefined) {
      child.kill("SIGKILL");
      throw new Misbehaviour(
        "hang",
        `sluice ${args.join(" ")} did not end within ${COMMAND_TIMEOUT_MS / 1000} s`,
      );
    }
    return { status: closed[0], ...output };
  }

  /** As `command`, and it has to succeed. */
  async commandDone(...args) {
    const { status, stdout, stderr } = await this.command(...args);
    if (status !== 0)
      throw new Misbehaviour(
        "command",
        this.#account(`sluice ${args.join(" ")}: status ${status}, ${firstLine(stderr)}`),
      );
    return stdout;
  }

  /** Starts `sluice ARGS…` in it; it ends with the instance at the latest. */
  start(...args) {
    const env = { ...this.#environment, SLUICE_URI: this.#uri };
    return spawn(process.execPath, [SLUICE, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  }

  /** Ends its initial program, and thereby cleanly itself. */
  finish() {
    this.#child.stdin.end();
  }

  /**
   * Resolves to `{ status, signal }` when it has ended; no part of it may then be left.
   * @throws Misbehaviour
   */
  async end() {
    const outcome = await Promise.race([this.#ended, timeout(END_TIMEOUT_MS)]);
    if (outcome === undefined)
      throw new Misbehaviour("hang", this.#account(`not ended within ${END_TIMEOUT_MS / 1000} s`));
    const left = await this.#processes.gone(GONE_TIMEOUT_MS);
    if (left.length > 0)
      throw new Misbehaviour(
        "leftover",
        this.#account(`processes are left: ${this.#processes.describe(left)}`),
      );
    const files = readdirSync(this.#runtimeDir);
    if (files.length > 0)
      throw new Misbehaviour("leftover", this.#account(`files are left: ${files.join(", ")}`));
    return outcome;
  }

  /** As `end`, for an instance that has received a stop and that no fault blocks. */
  async endInOrder() {
    const { status, signal } = await this.end();
    if (status !== 0)
      throw new Misbehaviour("end", this.#account(`ended with ${outcomeText({ status, signal })}`));
  }

  /** Kills its remaining processes in any state. */
  async destroy() {
    this.#processes.kill();
    await this.#processes.gone(GONE_TIMEOUT_MS);
    await this.#ended;
  }

  /** Resolves when rank 0 has the rank in one of these states. @throws Misbehaviour when it does not come to that */
  async rankState(rank, states) {
    const deadlineMs = performance.now() + START_TIMEOUT_MS;
    while (performance.now() < deadlineMs) {
      const { ranks } = await this.ask((handle) => handle.rpc("overlay.status"));
      if (states.includes(ranks[rank].state)) return;
      await sleep(POLL_MS);
    }
    throw new Misbehaviour(
      "hang",
      this.#account(`rank ${rank} is not ${states.join(" or ")} within ${START_TIMEOUT_MS / 1000} s`),
    );
  }

  /** With its last lines. */
  #account(text) {
    return `${text}\n${this.lastLines}`;
  }

  get lastLines() {
    const lines = this.#stderr.trimEnd().split("\n").slice(-15);
    return lines
      .filter((line) => line !== "")
      .map((line) => `    | ${line}`)
      .join("\n");
  }
}

function outcomeText({ status, signal }) {
  return signal === null ? `status ${status}` : `signal ${signal}`;
}

/** Resolves to undefined after a time, and keeps nothing alive for that. */
function timeout(delayMs) {
  return sleep(delayMs, undefined, { ref: false });
}

/** What others have set for instances and tests of their own is not for ours. */
function environmentOfUsers() {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(SLUICE|FLUX|VITEST|NODE_|NOTIFY_SOCKET|INVOCATION_ID)/.test(name),
    ),
  );
}

function firstLine(text) {
  return text.trim().split("\n", 1)[0];
}
