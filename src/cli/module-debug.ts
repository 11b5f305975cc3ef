import { Command, InvalidArgumentError, Option } from "commander";
import { fields, type Handle } from "../messages/index.js";
import { loadedName } from "./module-name.js";
import { printLine } from "./output.js";
import { withInstance, withUri } from "./session.js";

interface DebugOptions {
  readonly uri?: string;
  readonly clear?: boolean;
  readonly set?: number;
  readonly setbit?: number;
  readonly clearbit?: number;
}

export function debugCommand(): Command {
  return withUri(new Command("debug"))
    .description("print the debug bits of a module, or change them")
    .argument("<module|path>", "module, or the path that it was loaded from")
    .option("-C, --clear", "clear all bits")
    .addOption(new Option("-S, --set <mask>", "set the bits to this mask").argParser(mask))
    .addOption(new Option("-s, --setbit <bit>", "set these bits too").argParser(mask))
    .addOption(new Option("-c, --clearbit <bit>", "clear these bits").argParser(mask))
    .addHelpText("after", "\nExample:\n  sluice module debug --setbit 0x10 kvs")
    .action(async (which: string, options: DebugOptions) => {
      await withInstance(options, async (handle) => {
        const name = await loadedName(handle, which);
        if (options.clear) await change(handle, name, "clr", 0);
        if (options.set !== undefined) await change(handle, name, "set", options.set);
        if (options.setbit !== undefined) await change(handle, name, "setbit", options.setbit);
        if (options.clearbit !== undefined) await change(handle, name, "clrbit", options.clearbit);
        const { flags } = fields(await handle.rpc(`${name}.debug`, {}), { flags: "integer" });
        const isChange = [options.clear, options.set, options.setbit, options.clearbit].some(
          (given) => given !== undefined,
        );
        if (!isChange) printLine(`0x${flags.toString(16)}`);
      });
    });
}

async function change(handle: Handle, name: string, op: string, flags: number): Promise<void> {
  await handle.rpc(`${name}.debug`, { op, flags });
}

/** In hexadecimal, octal or decimal, as C has them. */
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
