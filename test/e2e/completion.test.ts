import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { Sandbox } from "../helpers/sluice.js";
import { Terminal } from "../helpers/terminal.js";

let sandbox: Sandbox;
let terminal: Terminal | undefined;

afterEach(() => {
  terminal?.close();
  terminal = undefined;
  sandbox.remove();
});

/** Lines that a shell needs before the first key: twice, as people source their start-up files again. */
const SHELLS = {
  bash: { argv: ["bash", "--norc", "-i"], load: "source <(sluice completion bash)" },
  zsh: {
    argv: ["zsh", "-f", "-i"],
    load: "autoload -U compinit; compinit -D -u; source <(sluice completion zsh)",
  },
  fish: { argv: ["fish", "--no-config", "-i"], load: "sluice completion fish | source" },
} as const;

async function open(shell: keyof typeof SHELLS, inInstance = false): Promise<Terminal> {
  sandbox = new Sandbox();
  const { argv, load } = SHELLS[shell];
  const start = inInstance ? [join(import.meta.dirname, "../../dist/cli/main.cjs"), "start"] : [];
  const command = inInstance ? [process.execPath, ...start, ...argv] : argv;
  terminal = new Terminal(command, { env: sandbox.environment(), cwd: sandbox.dir, columns: 160 });
  for (const round of [1, 2]) {
    terminal.type(`${load}; echo loaded-''${round}`);
    terminal.press("Enter");
    await terminal.waitFor(new RegExp(`^loaded-${round}$`, "m"));
  }
  return terminal;
}

describe.each(["bash", "zsh", "fish"] as const)("in %s", (shell) => {
  test("a command, an option with a name in it and a unit are completed to a line that runs", async () => {
    const at = await open(shell);
    at.type("sluice modp");
    at.press("Tab");
    await at.waitFor(/sluice modprobe$/m);
    at.type("sho");
    at.press("Tab");
    await at.waitFor(/sluice modprobe show$/m);
    at.type("-S content-backing=content-f");
    at.press("Tab");
    await at.waitFor(/-S content-backing=content-files$/m);
    at.type("kvs-w");
    at.press("Tab");
    await at.waitFor(/content-files kvs-watch$/m);
    at.type("&& echo went-''well");
    at.press("Enter");
    expect(await at.waitFor(/^went-well$/m)).toContain('{"name":"kvs-watch"');
  });

  test("modules and keys of the instance around the shell are completed", async () => {
    const at = await open(shell, true);
    at.type("sluice module stats content-s");
    at.press("Tab");
    await at.waitFor(/stats content-sqlite$/m);
    at.type("&& sluice kvs put site.name=north && sluice kvs get site.na");
    at.press("Enter");
    await at.waitFor(/no key site\.na$/m);
    at.type("sluice kvs get site.na");
    at.press("Tab");
    await at.waitFor(/site\.name$/m);
    at.press("Enter");
    await at.waitFor(/^"north"$/m);
  });

  test("a group of the file on the line is completed, as a value and in place of units", async () => {
    const at = await open(shell);
    sandbox.write("stack.toml", '[[modules]]\nname = "api"\ncommand = "true"\ngroups = ["web-all"]\n');
    at.type("sluice modprobe rc1 --dry-run --file=stack.toml --group web-");
    at.press("Tab");
    await at.waitFor(/--group web-all$/m);
    at.press("Enter");
    await at.waitFor(/^load api$/m);
    at.type("sluice modprobe load --dry-run --file=stack.toml @web-");
    at.press("Tab");
    await at.waitFor(/stack\.toml @web-all$/m);
    at.type("&& echo went-''well");
    at.press("Enter");
    await at.waitFor(/^went-well$/m);
  });

  test("a file of any name is completed where one may stand", async () => {
    const at = await open(shell);
    sandbox.write("my rc file.toml", "");
    at.type("sluice modprobe run my");
    at.press("Tab");
    expect(await at.waitFor(/run my.*file\.toml/)).toMatch(/my\\ rc\\ file\.toml|'my rc file\.toml'/);
  });
});
