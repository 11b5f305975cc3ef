import { Argument, Command } from "commander";
import { COMPLETION_SCRIPTS } from "./completion-scripts.js";
import { printLine } from "../terminal/output.js";

const SHELLS = Object.keys(COMPLETION_SCRIPTS);

export function command(): Command {
  return new Command("completion")
    .addArgument(new Argument("<shell>", "the shell that reads the script").choices(SHELLS))
    .addHelpText(
      "after",
      `
Example:
  bash:  echo 'source <(sluice completion bash)' >> ~/.bashrc
  zsh:   echo 'source <(sluice completion zsh)' >> ~/.zshrc
  fish:  sluice completion fish > ~/.config/fish/completions/sluice.fish`,
    )
    .action((shell: keyof typeof COMPLETION_SCRIPTS) => printLine(COMPLETION_SCRIPTS[shell]("sluice")));
}
