import { Command, InvalidArgumentError, Option } from "commander";
import { fields } from "../../messages/index.js";
import { loadedName } from "./name.js";
import { printLine } from "../terminal/output.js";
import { labelled, onRanks, type RankOptions, withRanks } from "../ranks/ranks.js";

interface DebugOptions extends RankOptions {
  readonly clear?: boolean;
  readonly set?: number;
  readonly setbit?: number;
  readonly clearbit?: number;
}

export function debugCommand(): Command {
  return withRanks(new Command("debug"))
    .description("print the debug bits of a module, after an optional change")
    .argument("<module|path>", "name of the module, or the path of its load")
    .option("-C, --clear", "clear all bits")
    .addOption(new Option("-S, --set <mask>", "set the bits to this mask").argParser(mask))
    .addOption(new Option("-s, --setbit <bit>", "set these bits too").argParser(mask))
    .addOption(new Option("-c, --clearbit <bit>", "clear these bits").argParser(mask))
    .addHelpText("after", "\nExample:\n  sluice module debug --setbit 0x10 kvs")
    .action(async (which: string, options: DebugOptions) => {
      const changes: readonly (readonly [op: string, flags: number | undefined])[] = [
        ["clr", options.clear ? 0 : undefined],
        ["set", options.set],
        ["setbit", options.setbit],
        ["clrbit", options.clearbit],
      ];
      const asked = changes.filter(([, flags]) => flags !== undefined);
      await onRanks(
        options,
        async (handle, rank) => {
          const topic = `${await loadedName(handle, which, rank)}.debug`;
          for (const [op, flags = 0] of asked) await handle.rpc(topic, { op, flags }, { rank });
          return fields(await handle.rpc(topic, {}, { rank }), { flags: "integer" }).flags;
        },
        (answers) => labelled(answers, (flags) => `0x${flags.toString(16)}`).forEach(printLine),
      );
    });
}

/** In hexadecimal, octal or decimal, with the prefixes of C. */
function mask(text: string): number {
  const digits = /^(?:0[xX]([0-9a-fA-F]{1,8})|0([0-7]{1,11})|(0|[1-9][0-9]{0,9}))$/.exec(text);
  if (digits === null)
    throw new InvalidArgumentError("must be a number in hex (0x…), octal (0…) or decimal.");
  const [, hex, octal, decimal] = digits;
  const value =
    hex !== undefined ? parseInt(hex, 16) : octal !== undefined ? parseInt(octal, 8) : Number(decimal);
  if (value > 0xffff_ffff) throw new InvalidArgumentError("must fit into 32 bits.");
  return value;
}
