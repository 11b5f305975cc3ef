import { type Command, Option } from "commander";
import type { ConfigInput } from "../units/index.js";

/** The configuration in the flags. Both options have the same list, in the order of the command line. */
export interface ConfigOptions {
  readonly configPath?: readonly ConfigInput[];
  readonly conf?: readonly ConfigInput[];
}

/**
 * Adds the flags for configuration. Later flags win over earlier ones, of either kind, so both collect into one list.
 * @param pathFlags the flag for a file or directory; its long form must be `--config-path` or `--config`
 */
export function withConfig(command: Command, pathFlags: string): Command {
  const inputs: ConfigInput[] = [];
  const add = (input: ConfigInput): readonly ConfigInput[] => {
    inputs.push(input);
    return inputs;
  };
  const path = new Option(pathFlags, "configuration file or directory");
  const value = new Option("--conf <key=value|file>", "configuration value or file");
  return command
    .addOption(path.argParser((text: string) => add({ kind: "path", path: text })))
    .addOption(value.argParser((text: string) => add({ kind: "flag", text })));
}

/** The files and values in the flags, in order. */
export function configInputs({ configPath, conf }: ConfigOptions): readonly ConfigInput[] {
  return conf ?? configPath ?? [];
}

/** The flags again, for a command with the same options. */
export function configFlags(options: ConfigOptions): string[] {
  return configInputs(options).map((input) =>
    input.kind === "path" ? `--config-path=${input.path}` : `--conf=${input.text}`,
  );
}

/** The attribute `config.path`: the first path of `-c`, if any (docs/design/instance.md §3). */
export function configPathAttribute(options: ConfigOptions): Readonly<Record<string, string>> {
  const first = configInputs(options).find((input) => input.kind === "path");
  return first === undefined ? {} : { "config.path": first.path };
}
