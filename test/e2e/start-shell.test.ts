/** The shell that start gives to a terminal, and how it is left. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Sandbox } from "../helpers/sluice.js";
import { Terminal } from "../helpers/terminal.js";

let box: Sandbox;
let terminal: Terminal | undefined;
beforeEach(() => {
  box = new Sandbox();
});
afterEach(async () => {
  terminal?.close();
  terminal = undefined;
  await vi.waitFor(() => expect(box.survivors()).toEqual([]), { timeout: 5000 });
  box.remove();
});

const BARE = "-S broker.rc1_path= -S broker.rc3_path= -S instance-id=site";

/** A terminal on which start has just begun, with a shell that has no files of its own to read. */
function open(shell: string, options = ""): Terminal {
  box.write(".zshrc", "");
  const env = box.environment({ SHELL: shell, HOME: box.dir, ZDOTDIR: box.dir });
  const command = `sluice start ${BARE} ${options}; echo "status $?"; exec sleep 1000`;
  return (terminal = new Terminal(["sh", "-c", command], { env, cwd: box.dir }));
}

test.each([
  ["/usr/bin/bash", "bash", ["exit", "Enter"]],
  ["/bin/sh", "sh", ["C-d"]],
  ["/usr/bin/zsh", "zsh", ["exit", "Enter"]],
  ["/usr/bin/fish", "fish", ["exit", "Enter"]],
])("start without a command says that %s is in an instance, and how both end", async (path, name, keys) => {
  const screen = open(path);
  const welcome = `sluice-start: this is ${name} in instance site; 'exit' or Ctrl-D ends the shell and the instance`;
  await screen.shows((lines) => lines.includes(welcome));
  screen.type("sluice getattr size | sed 's/^/size /'\n");
  await screen.shows((lines) => lines.includes("size 1"));
  screen.press(...keys);
  await screen.shows((lines) => lines.includes("status 0"));
});

test("start names the number of ranks, and --quiet says nothing", async () => {
  const screen = open("/bin/sh", "-s 2");
  await screen.shows((lines) =>
    lines.some((line) => line.includes("this is sh in instance site of 2 ranks; ")),
  );
  screen.press("C-d");
  await screen.shows((lines) => lines.includes("status 0"));
  screen.close();
  const quiet = open("/bin/sh", "--quiet");
  quiet.type("echo shell $((1 + 1))\n");
  const lines = await quiet.shows((shown) => shown.some((line) => line.endsWith("shell 2")));
  expect(lines.join("\n")).not.toContain("instance site");
  quiet.press("C-d");
  await quiet.shows((shown) => shown.includes("status 0"));
});
