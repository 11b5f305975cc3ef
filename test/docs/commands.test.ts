/** Runs the `console` blocks of the documentation as they are written, and compares what they print. */
import { cpSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";

const CHECKOUT = resolve(import.meta.dirname, "../..");

let box: Sandbox;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(() => {
  box.remove();
});

interface Example {
  readonly command: string;
  readonly output: string;
}

/** Each `$ command` of the page's blocks with the lines under it. */
function examplesOf(page: string): Example[] {
  return examplesIn(readFileSync(join(CHECKOUT, page), "utf8"));
}

function examplesIn(text: string): Example[] {
  const blocks = [...text.matchAll(/^```console\n([^]*?)^```$/gm)].map((match) => match[1] ?? "");
  return blocks.flatMap((block) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((part) => {
        const [command = "", ...output] = part.split("\n");
        return { command, output: output.join("\n") };
      }),
  );
}

const MARK = "-- next command --";

/** Commands one after the other in one shell, so that exports last, each with a mark behind what it prints. */
function scriptOf(commands: readonly string[]): string {
  return commands.map((command) => `${command} 2>&1\necho '${MARK}'`).join("\n");
}

/** What each command of a script printed, both streams. */
function printedBy(stdout: string): string[] {
  return stdout.split(`${MARK}\n`).slice(0, -1);
}

async function transcript(
  commands: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<string[]> {
  const { stdout } = await box.shell(scriptOf(commands), env);
  return printedBy(stdout);
}

test("the examples of README.md print what it says", async () => {
  const examples = examplesOf("README.md");
  expect(examples.length).toBeGreaterThan(8);
  const printed = await transcript(
    examples.map(({ command }) => command),
    {},
  );
  // The page names the directory as a reader would see it from where they stand.
  const shown = printed.map((text) => text.replaceAll(`${box.dir}/`, ""));
  expect(shown.map((output, i) => ({ command: examples[i]?.command, output }))).toEqual(examples);
  expect(box.survivors()).toEqual([]);
});

test("the examples of examples/site/README.md print what it says", async () => {
  cpSync(join(CHECKOUT, "examples"), join(box.dir, "examples"), { recursive: true });
  const examples = examplesOf("examples/site/README.md");
  expect(examples.length).toBeGreaterThan(5);
  const printed = await transcript(
    examples.map(({ command }) => command),
    { FLUX_MODPROBE_PATH_APPEND: join(box.dir, "examples/site/modprobe") },
  );
  expect(printed.map((output, i) => ({ command: examples[i]?.command, output }))).toEqual(examples);
  expect(box.survivors()).toEqual([]);
});

test("the examples of examples/batch/README.md print what it says, the later ones in an instance", async () => {
  cpSync(join(CHECKOUT, "examples"), join(box.dir, "examples"), { recursive: true });
  const [plans = "", session = ""] = readFileSync(join(CHECKOUT, "examples/batch/README.md"), "utf8").split(
    "## Jobs",
  );
  const env = {
    FLUX_MODPROBE_PATH_APPEND: join(box.dir, "examples/batch/modprobe"),
    SLUICE_EXEC_PATH: join(box.dir, "examples/batch/bin"),
  };
  const planned = examplesIn(plans);
  const live = examplesIn(session);
  expect([planned.length, live.length].every((count) => count > 4)).toBe(true);
  const onPaper = await transcript(
    planned.map(({ command }) => command),
    env,
  );
  expect(onPaper.map((output, i) => ({ command: planned[i]?.command, output }))).toEqual(planned);
  const [, start = ""] = /^sluice (start .*)$/m.exec(session) ?? [];
  box.write("session.sh", scriptOf(live.map(({ command }) => command)));
  const { stdout } = await box.shell(`sluice ${start} bash session.sh`, env);
  expect(printedBy(stdout).map((output, i) => ({ command: live[i]?.command, output }))).toEqual(live);
  expect(box.survivors()).toEqual([]);
});

test("the module of docs/modules.md answers as the page shows", async () => {
  const page = readFileSync(join(CHECKOUT, "docs/modules.md"), "utf8");
  const source = /^```js\n([^]*?)^```$/m.exec(page)?.[1] ?? "";
  box.write("motd.mjs", source);
  const examples = examplesOf("docs/modules.md");
  const script = examples.map(({ command }) => command).join(" && ");
  box.write("tour.sh", script);
  const { status, stdout } = await box.run(["start", "sh", "tour.sh"]);
  expect(status).toBe(0);
  expect(stdout).toBe(examples.map(({ output }) => output).join(""));
});

test("the library of docs/libraries.md does what the page shows", async () => {
  const page = readFileSync(join(CHECKOUT, "docs/libraries.md"), "utf8");
  box.write("scheds.mjs", /^```js\n([^]*?)^```$/m.exec(page)?.[1] ?? "");
  const examples = examplesOf("docs/libraries.md");
  expect(examples.length).toBeGreaterThan(6);
  box.write("tour.sh", scriptOf(examples.map(({ command }) => command)));
  const { status, stdout } = await box.run(["start", "sh", "tour.sh"]);
  expect(status).toBe(0);
  const shown = printedBy(stdout).map((text) => text.replaceAll(`${box.dir}/`, "./"));
  expect(shown.map((output, i) => ({ command: examples[i]?.command, output }))).toEqual(examples);
  expect(box.survivors()).toEqual([]);
});

test("the examples of examples/plugins/README.md print what it says", async () => {
  cpSync(join(CHECKOUT, "examples"), join(box.dir, "examples"), { recursive: true });
  const examples = examplesOf("examples/plugins/README.md");
  expect(examples.length).toBe(4);
  const here = join(box.dir, "examples/plugins");
  const printed = await transcript([`cd ${here}`, ...examples.map(({ command }) => command)], {
    SLUICE_EXEC_PATH: join(here, "bin"),
  });
  const shown = printed.slice(1).map((text) => text.replaceAll(`${here}/`, "./"));
  expect(shown.map((output, i) => ({ command: examples[i]?.command, output }))).toEqual(examples);
  expect(box.survivors()).toEqual([]);
});

test("the stack of docs/apply.md is changed as the page shows", async () => {
  const page = readFileSync(join(CHECKOUT, "docs/apply.md"), "utf8");
  for (const [, path = "", text = ""] of page.matchAll(/^```toml\n# (\S+)\n([^]*?)^```$/gm)) {
    box.write(path, `# ${path}\n${text}`);
  }
  const examples = examplesOf("docs/apply.md");
  expect(examples.length).toBe(8);
  box.write("tour.sh", scriptOf(examples.map(({ command }) => command)));
  const env = { FLUX_MODPROBE_PATH: join(box.dir, "site") };
  const { status, stdout } = await box.run(["start", "bash", "tour.sh"], { env });
  expect(status).toBe(0);
  const shown = printedBy(stdout).map((text) => text.replaceAll(`${box.dir}/`, ""));
  expect(shown.map((output, i) => ({ command: examples[i]?.command, output }))).toEqual(examples);
  expect(box.survivors()).toEqual([]);
});
