import { startProcess } from "../processes/index.js";

/** The output of a command, and its exit. */
export interface CommandResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Commands at a time, because each is a process, and a page requests several at once. */
const MOST_AT_A_TIME = 4;

/** The limit for kept output: enough for a picture of 50,000 units, and a bound for an endless program. */
const MOST_BYTES = 64 * 1024 * 1024;

/** Runs commands of Sluice for pages, which show the output of the commands. */
export class Commands {
  readonly #program: readonly string[];
  readonly #env: NodeJS.ProcessEnv;
  readonly #ended = new AbortController();
  readonly #shared = new Map<string, Promise<CommandResult>>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /** @param program the words that come before those of a command */
  constructor(program: readonly string[], env: NodeJS.ProcessEnv) {
    this.#program = program;
    this.#env = env;
  }

  /** Runs a command that changes nothing. Equal commands at the same time run once. */
  ask(args: readonly string[]): Promise<CommandResult> {
    const key = args.join("\0");
    const known = this.#shared.get(key);
    if (known !== undefined) return known;
    const result = this.run(args).finally(() => this.#shared.delete(key));
    this.#shared.set(key, result);
    return result;
  }

  /** Runs a command to its end. */
  async run(args: readonly string[]): Promise<CommandResult> {
    if (this.#running >= MOST_AT_A_TIME) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running++;
    try {
      return await this.#run(args);
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }

  /** Ends the running commands. */
  close(): void {
    this.#ended.abort();
  }

  #run(args: readonly string[]): Promise<CommandResult> {
    const [file = "", ...words] = [...this.#program, ...args];
    return new Promise((resolve, reject) => {
      const { signal } = this.#ended;
      const stdio = ["ignore", "pipe", "pipe"] as ["ignore", "pipe", "pipe"];
      const child = startProcess(file, words, { stdio, env: this.#env, signal });
      const [stdout, stderr] = [child.stdout, child.stderr].map((stream) => collect(stream));
      child.once("error", reject);
      child.once("close", (status) => {
        resolve({ status, stdout: stdout?.() ?? "", stderr: stderr?.() ?? "" });
      });
    });
  }
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= MOST_BYTES) chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString("utf8");
}
