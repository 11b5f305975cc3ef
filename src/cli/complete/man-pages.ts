import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import type { MakeProgram, Words } from "../lazy.js";
import { manPage } from "./man-page.js";
import { VERSION } from "../version.js";

/** Part of the build: a page for the whole command line, and one for each command. */
export function command(_: Words, make: MakeProgram): Command {
  return new Command("man-pages")
    .argument("<dir>", "created if it is missing")
    .action(async (dir: string) => {
      const program = await make("all");
      mkdirSync(dir, { recursive: true });
      const shown = program.createHelp().visibleCommands(program);
      for (const page of [program, ...shown.filter((child) => child.name() !== "help")]) {
        const { name, text } = manPage(page, VERSION);
        writeFileSync(join(dir, `${name}.1`), text);
      }
    });
}
