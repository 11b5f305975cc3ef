import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { SluiceError, systemMessage } from "../errors/index.js";
import { seeded, type Shuffle } from "../run/index.js";

/** The attribute with the shuffle of rc1, from `start --shuffle`. */
export const SHUFFLE_ATTRIBUTE = "broker.shuffle";

/** The largest seed. */
const MOST = 4_294_967_295;

/**
 * Reads a shuffle: a seed, or `@FILE` with the names of units, a line each, in the order of their starts.
 * @throws SluiceError `USAGE` if it is neither, or the file cannot be read
 */
export function readShuffle(text: string): Shuffle {
  if (/^\d{1,10}$/.test(text) && Number(text) <= MOST) return seeded(Number(text));
  const wrong = (message: string): SluiceError => new SluiceError("USAGE", `shuffle '${text}': ${message}`);
  if (!text.startsWith("@") || text.length === 1) {
    throw wrong(`must be a whole number up to ${MOST}, or @FILE with one unit name per line`);
  }
  const file = resolve(text.slice(1));
  try {
    const lines = readFileSync(file, "utf8").split("\n");
    const units = lines.map((line) => line.trim()).filter((line) => line !== "");
    return { kind: "order", text: `@${file}`, units };
  } catch (error) {
    throw wrong(systemMessage(error));
  }
}

/** The shuffle in the attributes of an instance, if there is one. */
export function shuffleOf(attrs: Readonly<Record<string, string>>): Shuffle | undefined {
  const text = attrs[SHUFFLE_ATTRIBUTE];
  return text === undefined || text === "" ? undefined : readShuffle(text);
}

/** The log line for the beginning of a shuffle. */
export function shuffleText({ text }: Shuffle): string {
  return text.startsWith("@")
    ? `the units start in the order of ${text.slice(1)}`
    : `the units start in a random order from seed ${text}`;
}
