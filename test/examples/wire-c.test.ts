/** The client in C (examples/wire-c): the sentences of docs/design/embedding.md §2, each by its number. */
import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";
import { Stack } from "../instance/support/stack.js";

const EXAMPLE = join(import.meta.dirname, "../../examples/wire-c");
/** With the sanitizers, which end the program at an invalid access, and at what was not freed. */
const STRICT =
  "-std=c11 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Werror -pedantic -pthread -g -fsanitize=address,undefined".split(
    " ",
  );

const dir = mkdtempSync(join(tmpdir(), "sluice-wire-c-"));
const sentences = join(dir, "sentences");
const client = join(dir, "client");

beforeAll(() => {
  const library = join(EXAMPLE, "sluice.c");
  const tests = join(import.meta.dirname, "fixtures/sentences.c");
  execFileSync("cc", [...STRICT, "-I", EXAMPLE, "-o", sentences, tests, library]);
  execFileSync("cc", [...STRICT, "-o", client, join(EXAMPLE, "client.c"), library]);
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Where it connects to. */
async function instance() {
  const broker = await new Stack(`modules = [{name = "a"}]`).start({ roots: ["a"] });
  return { broker, env: { ...process.env, SLUICE_URI: broker.uri } };
}

/** What it prints, with what speaks against it. */
async function outcomeOf(sentence: string): Promise<string> {
  const { env } = await instance();
  return new Promise((resolve) => {
    execFile(sentences, [sentence], { env, timeout: 50_000 }, (_, stdout, stderr) =>
      resolve(stdout + stderr),
    );
  });
}

test.each([
  ["sentence 1, trap-H10: a C client is called by its descriptor and its timeout alone", "progress"],
  ["sentence 2: dispatch() of a C client never waits", "never-waits"],
  [
    "trap-H9: a pass of a C client handles at most 64, and its timeout is 0 while more wait",
    "pass-is-bounded",
  ],
  ["trap-H9: dispatch() inside a callback of a C client is EBUSY", "nested"],
  ["sentence 8: calls of several threads on a C client under a lock are all answered", "with-a-lock"],
  ["sentence 4: a C client copies a payload before the call returns", "lifetime"],
  ["sentence 6: responses to a C client keep their order", "order"],
  ["sentence 7: run() of a C client has two modes beside that until it is stopped, NOWAIT and ONCE", "modes"],
  ["sentence 8: errors of a C client are values of the call, and errno is left as found", "errors"],
  ["sentence 8: without a lock a call during another is EBUSY and harms nothing", "without-a-lock"],
  ["sentence 8: every call during another is EBUSY in C", "every-call-during-another"],
  ["sentence 8: futures of a C client move from thread to thread", "futures-move"],
  ["a C client receives streams and text of all kinds", "stream"],
])("%s", async (_, sentence) => {
  expect(await outcomeOf(sentence)).toBe("holds\n");
});

test("sentence 1: a C client wants nothing of a connection that has ended, and its requests fail", async () => {
  const { broker, env } = await instance();
  const program = spawn(sentences, ["end-of-instance"], { env, stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
  expect((await lines.next()).value).toBe("waiting");
  await broker.close();
  expect((await lines.next()).value).toBe("holds");
});

test("the commands of docs/event-loops.md compile the client and ask an instance", async () => {
  const box = new Sandbox();
  onTestFinished(() => box.remove());
  const guide = readFileSync(join(import.meta.dirname, "../../docs/event-loops.md"), "utf8");
  const commands = /^## In C$[^]*?^```sh\n([^]*?)^```$/m.exec(guide)?.[1] ?? "exit 99";
  cpSync(EXAMPLE, join(box.dir, "examples/wire-c"), { recursive: true });
  expect(await box.shell(commands)).toMatchObject({
    ...{ status: 0, stderr: "" },
    stdout: expect.stringMatching(/^broker.ping: \{"n":1/) as string,
  });
  expect(box.survivors()).toEqual([]);
});

test("the example in C sends lines as requests, prints events, and ends with its input", async () => {
  const { broker, env } = await instance();
  const program = spawn(client, ["site.*"], { env, stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(program, "exit");
  const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
  program.stdin.write('a.echo {"n":1}\n');
  expect((await lines.next()).value).toBe('a.echo: {"n":1}');
  const handle = await broker.connect();
  await handle.publish("site.up", [1]);
  expect((await lines.next()).value).toBe("event site.up: [1]");
  program.stdin.end("nothing.there\na.echo");
  expect([(await lines.next()).value, (await lines.next()).value].sort()).toEqual([
    "a.echo: null",
    "nothing.there: error 38, No service matching nothing.there is registered",
  ]);
  expect(await ended).toEqual([1, null]);
});
