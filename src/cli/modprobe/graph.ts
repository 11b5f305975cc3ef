import { extname } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { didYouMean } from "../../errors/index.js";
import {
  type Facts,
  type Picture,
  pictureOf,
  pictureToDot,
  pictureToMermaid,
  type Plan,
  unknownNameText,
} from "../../graph/index.js";
import { PICTURE_FORMATS as FORMATS } from "../complete/complete-values.js";
import { type FactOptions, withPlanningContext, withFacts } from "../facts.js";
import { phaseFiles, withPlan } from "./read-and-plan.js";
import { PREFIX, type UnitOptions, withStartOptions } from "./units.js";
import { ExitError, say, UsageError } from "../terminal/output.js";
import { isStandardOutput, writeResult } from "../write-file.js";

type Format = (typeof FORMATS)[number];

/** Suffixes of files, and the format that they stand for. */
const SUFFIXES: ReadonlyMap<string, Format> = new Map([
  [".dot", "dot"],
  [".gv", "dot"],
  [".svg", "svg"],
  [".png", "png"],
  [".mmd", "mermaid"],
  [".mermaid", "mermaid"],
  [".json", "json"],
]);

interface GraphOptions extends FactOptions, UnitOptions {
  readonly format?: Format;
  readonly output?: string;
}

const EXAMPLES = `
Examples:
  sluice modprobe graph -o plan.svg
  sluice modprobe graph --rank 3 --size 16 --format png kvs > kvs.png
  sluice modprobe graph --format mermaid >> notes.md`;

export function command(): Command {
  return withStartOptions(withFacts(new Command("graph")))
    .argument("[unit]", "only this unit or service, or the units of @GROUP, and the direct neighbours")
    .addOption(
      new Option(
        "--format <format>",
        `${FORMATS.join(", ")}; default: by the suffix of the file, else dot`,
      ).argParser(formatOf),
    )
    .option("-o, --output <file>", "write the picture to this file, not to standard output")
    .addHelpText("after", EXAMPLES)
    .action(async (name: string | undefined, options: GraphOptions) => {
      const format = options.format ?? formatOfFile(options.output);
      if (format === "png" && isStandardOutput(options.output) && process.stdout.isTTY)
        throw new ExitError(1, "a PNG cannot be printed on a terminal; use -o FILE or a pipe");
      // Drawing may take seconds, and needs neither the instance nor a host of rc files.
      const { picture, facts } = await withPlanningContext(options, async (context) => {
        const phase = {
          files: await phaseFiles("rc1", context, options),
          runlevel: "rc1",
          loaded: [],
        } as const;
        return withPlan(phase, context, { ...options, planOnly: true }, (plan) => {
          return { picture: pictureFor(plan, name), facts: plan.facts };
        });
      });
      const data = await dataOf(picture, format, facts);
      await writeResult(options.output, data);
    });
}

function formatOf(text: string): Format {
  const format = FORMATS.find((known) => known === text);
  if (format !== undefined) return format;
  const hint = didYouMean(text, FORMATS);
  throw new InvalidArgumentError(
    `Allowed choices are ${FORMATS.join(", ")}.${hint === undefined ? "" : ` ${hint}`}`,
  );
}

function formatOfFile(path: string | undefined): Format {
  const suffix = extname(path ?? "").toLowerCase();
  const format = suffix === "" ? "dot" : SUFFIXES.get(suffix);
  if (format !== undefined) return format;
  throw new UsageError(`no format has the suffix ${suffix}; use --format ${FORMATS.join("|")}`);
}

function pictureFor(plan: Plan, name: string | undefined): Picture {
  const picture = pictureOf(plan, name);
  if (picture !== undefined) return picture;
  throw new ExitError(1, unknownNameText(plan.catalog, name ?? ""));
}

async function dataOf(picture: Picture, format: Format, facts: Facts): Promise<string | Uint8Array> {
  switch (format) {
    case "dot":
      return `${pictureToDot(picture).join("\n")}\n`;
    case "mermaid":
      return `${pictureToMermaid(picture).join("\n")}\n`;
    case "json":
      return `${JSON.stringify(picture)}\n`;
    case "svg":
    case "png":
      return draw(picture, format, facts);
  }
}

async function draw(
  picture: Picture,
  format: "svg" | "png",
  { rank, size }: Facts,
): Promise<string | Uint8Array> {
  const { pictureTitle, renderPicture } = await import("../../pictures/index.js");
  const title = `Rank ${rank} of ${size}: ${pictureTitle(picture)}`;
  const drawn = await renderPicture(picture, { format, title });
  if (drawn.foldedUnits > 0) {
    const all = picture.nodes.length;
    say(
      `${PREFIX}: ${drawn.foldedUnits} of ${all} units share a box with others; 'graph NAME' shows the neighbourhood of one unit`,
    );
  }
  return drawn.format === "svg" ? drawn.text : drawn.bytes;
}
