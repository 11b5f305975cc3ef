/** `sluice batch`: submits jobs, and shows their results. Found by `sluice` in SLUICE_EXEC_PATH or PATH. */
import { parseArgs, type ParseArgsConfig } from "node:util";
import { connect, fields, type Handle, isErrno, messageOf } from "sluice";
import { durationSeconds, jobTable, type ListedJob, listedJob, wholeNumber } from "./batch-text.js";

const USAGE = `Usage: sluice batch COMMAND …

  submit [-n CORES] [-t DURATION] [--urgency N] COMMAND…   run a command when there are cores; prints the job's id
  jobs [-a] [--json]                                       jobs that wait or run; -a: those that have ended, too
  wait ID…                                                 until they have ended; exits with the highest status
  cancel ID…                                               end them, whether they run or not
  output ID                                                what it has printed so far

A COMMAND of one word with blanks is a shell line. A DURATION is a number with ms, s, m, h or d.

Example:
  id=$(sluice batch submit -n 2 -t 10m make -j2)
  sluice batch wait $id; sluice batch output $id
`;

/** Wrong usage: status 2. */
class UsageError extends Error {}

type Options = NonNullable<ParseArgsConfig["options"]>;

const COMMANDS: Readonly<Record<string, (words: readonly string[]) => Promise<void>>> = {
  submit,
  jobs,
  wait,
  cancel,
  output,
};

await main(process.argv.slice(2));

async function main([name = "", ...words]: readonly string[]): Promise<void> {
  if (name === "--help" || name === "help") {
    process.stdout.write(USAGE);
    return;
  }
  try {
    const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    if (command === undefined)
      throw new UsageError(name === "" ? "a command is missing" : `unknown command '${name}'`);
    await command(words);
  } catch (error) {
    process.stderr.write(`sluice-batch: ${messageOf(error)}\n`);
    if (error instanceof UsageError) process.stderr.write(`\n${USAGE}`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}

async function submit(words: readonly string[]): Promise<void> {
  // The command has options of its own: ours end where it begins.
  const { values, rest } = leadingOptions(words, {
    cores: { type: "string", short: "n" },
    duration: { type: "string", short: "t" },
    urgency: { type: "string" },
  });
  if (rest.length === 0) throw new UsageError("there is no command to run");
  const [line = ""] = rest;
  const { cores, duration, urgency } = values;
  const spec = {
    command: rest.length === 1 && /\s/.test(line) ? ["bash", "-c", line] : [...rest],
    cwd: process.cwd(),
    env: Object.fromEntries(Object.entries(process.env).map(([key, value]) => [key, value ?? ""])),
    ...(cores !== undefined && { cores: usage(() => wholeNumber("-n", cores)) }),
    ...(duration !== undefined && { duration: usage(() => durationSeconds(duration)) }),
    ...(urgency !== undefined && { urgency: usage(() => wholeNumber("--urgency", urgency)) }),
  };
  await withInstance(async (h) => {
    const { id } = fields(await h.rpc("job-manager.submit", spec), { id: "integer" });
    print(`${id}`);
  });
}

async function jobs(words: readonly string[]): Promise<void> {
  const { values, positionals } = parsed(words, {
    all: { type: "boolean", short: "a" },
    json: { type: "boolean" },
  });
  if (positionals.length > 0) throw new UsageError(`unexpected '${positionals.join(" ")}'`);
  await withInstance(async (h) => {
    const answer = await h.rpc("job-manager.list", { all: values["all"] === true });
    const listed = fields(answer, { jobs: "array" }).jobs;
    if (values["json"] === true) print(JSON.stringify(listed));
    else for (const line of jobTable(listed.map(listedJob), Date.now() / 1000)) print(line);
  });
}

async function wait(words: readonly string[]): Promise<void> {
  const ids = idsIn(words);
  await withInstance(async (h) => {
    const ended = await Promise.all(ids.map((id) => waitFor(h, id)));
    for (const { id, result, status, note } of ended) {
      const why = note === "" ? "" : `, ${note}`;
      if (result !== "COMPLETED") say(`job ${id}: ${result ?? ""}, status ${status ?? ""}${why}`);
    }
    process.exitCode = Math.max(...ended.map(({ status }) => status ?? 1));
  });
}

async function waitFor(h: Handle, id: number): Promise<ListedJob> {
  for (;;) {
    try {
      return listedJob(await h.rpc("job-manager.wait", { id }));
    } catch (error) {
      // It was reloaded: the new one knows the job, too.
      if (!isErrno(error, "ECONNRESET")) throw error;
    }
  }
}

async function cancel(words: readonly string[]): Promise<void> {
  const ids = idsIn(words);
  await withInstance(async (h) => {
    for (const id of ids) {
      try {
        await h.rpc("job-manager.cancel", { id });
      } catch (error) {
        say(messageOf(error));
        process.exitCode = 1;
      }
    }
  });
}

async function output(words: readonly string[]): Promise<void> {
  const [id = 0, ...more] = idsIn(words);
  if (more.length > 0) throw new UsageError("output takes one id");
  await withInstance(async (h) => {
    const answer = await h.rpc("job-manager.list", { all: true });
    const job = fields(answer, { jobs: "array" })
      .jobs.map(listedJob)
      .find((listed) => listed.id === id);
    if (job === undefined) throw new Error(`no job ${id}`);
    if (job.rank === undefined) throw new Error(`job ${id} has not run`);
    await copyOutput(h, { id, stream: "out" }, job.rank, process.stdout);
    await copyOutput(h, { id, stream: "err" }, job.rank, process.stderr);
  });
}

async function copyOutput(
  h: Handle,
  what: { readonly id: number; readonly stream: "out" | "err" },
  rank: number,
  to: NodeJS.WriteStream,
): Promise<void> {
  for (let offset = 0; ;) {
    const bytes = await h.rpc("job-exec.output", { ...what, offset }, { rank });
    if (!(bytes instanceof Uint8Array) || bytes.length === 0) return;
    await new Promise((written) => to.write(bytes, written));
    offset += bytes.length;
  }
}

async function withInstance(run: (h: Handle) => Promise<void>): Promise<void> {
  if (!process.env["SLUICE_URI"])
    throw new Error("no instance: SLUICE_URI is not set; run the command under 'sluice start'");
  const h = await connect();
  try {
    await run(h);
  } finally {
    await h.close();
  }
}

function idsIn(words: readonly string[]): number[] {
  const { positionals } = parsed(words, {});
  if (positionals.length === 0) throw new UsageError("an id is missing");
  return positionals.map((word) => usage(() => wholeNumber("an id", word)));
}

function parsed<const T extends Options>(words: readonly string[], options: T) {
  return usage(() => parseArgs({ args: [...words], options, allowPositionals: true }));
}

/** Options up to the first word that is none, and the words from there. */
function leadingOptions<const T extends Options>(words: readonly string[], options: T) {
  const { tokens } = parseArgs({
    args: [...words],
    options,
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const first = tokens.find(({ kind }) => kind !== "option");
  const end = first?.index ?? words.length;
  const { values } = parsed(words.slice(0, end), options);
  return { values, rest: words.slice(first?.kind === "option-terminator" ? end + 1 : end) };
}

/** An error of a function is wrong usage. */
function usage<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw new UsageError(messageOf(error), { cause: error });
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function say(line: string): void {
  process.stderr.write(`sluice-batch: ${line}\n`);
}
