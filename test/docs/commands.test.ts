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
  const text = readFileSync(join(CHECKOUT, page), "utf8");
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

/** Runs commands one after the other in one shell, so that exports last; gives what each printed, both streams. */
async function transcript(commands: readonly string[], env: Readonly<Record<string, string>>): Promise<string[]> {
  const mark = "-- next command --";
  const script = commands.map((command) => `${command} 2>&1\necho '${mark}'`).join("\n");
  const { stdout } = await box.shell(script, env);
  return stdout.split(`${mark}\n`).slice(0, -1);
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
