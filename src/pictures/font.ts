/** The two fonts of pictures: their family, and for PNG their files in `fonts/`. */
export const FONT_FAMILY = "DejaVu Sans";

/** Widths of the characters from blank to tilde in thousandths of the font size. */
const REGULAR = [
  318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636, 636, 636,
  636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632, 575, 775, 752, 295,
  295, 656, 557, 863, 748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838,
  500, 500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612, 635, 635, 411, 521,
  392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838,
];
const BOLD = [
  348, 456, 521, 838, 696, 1002, 872, 306, 457, 457, 523, 838, 380, 415, 380, 365, 696, 696, 696, 696, 696,
  696, 696, 696, 696, 696, 400, 400, 838, 838, 838, 580, 1000, 774, 762, 734, 830, 683, 683, 821, 837, 372,
  372, 775, 637, 995, 837, 850, 733, 850, 770, 720, 682, 812, 774, 1103, 771, 724, 725, 457, 365, 457, 838,
  500, 500, 675, 716, 593, 716, 678, 435, 716, 712, 343, 343, 665, 343, 1042, 712, 687, 716, 716, 493, 595,
  478, 712, 652, 924, 645, 652, 582, 712, 365, 712, 838,
];
/** Width of any other character: the widest of common scripts and symbols. */
const OTHER = 1100;

/** The font of a line of text; `size` in pixels. */
export interface Lettering {
  readonly size: number;
  readonly isBold: boolean;
}

/** Pixels that a text takes at most. The other fonts of viewers are usually narrower. */
export function widthOf(text: string, { size, isBold }: Lettering): number {
  const widths = isBold ? BOLD : REGULAR;
  let sum = 0;
  for (const character of text) sum += widths[(character.codePointAt(0) ?? 0) - 32] ?? OTHER;
  return (sum * size) / 1000;
}

/**
 * Breaks a text at blanks into lines of a limited width in pixels. A word that is too long for any line breaks
 * after a hyphen or the like, else anywhere.
 */
export function wrap(text: string, lettering: Lettering, width: number): string[] {
  const fits = (line: string): boolean => widthOf(line.trimEnd(), lettering) <= width;
  const words = text.split(/(?<= )/).flatMap((word) => (fits(word) ? [word] : cut(word, fits)));
  return joined(words, fits).map((line) => line.trimEnd());
}

/** As {@link wrap}, with lines of nearly equal length: as narrow as possible without more lines. */
export function wrapEvenly(text: string, lettering: Lettering, width: number): string[] {
  const lines = wrap(text, lettering, width);
  if (lines.length < 2) return lines;
  const step = lettering.size / 2;
  for (let narrow = widthOf(text, lettering) / lines.length; narrow < width; narrow += step) {
    const even = wrap(text, lettering, narrow);
    if (even.length === lines.length) return even;
  }
  return lines;
}

function cut(word: string, fits: (line: string) => boolean): string[] {
  return word
    .split(/(?<=[-,:+@/])/)
    .flatMap((part) => (fits(part) ? [part] : joined(Array.from(part), fits)));
}

/** Puts as many pieces on each line as fit. */
function joined(pieces: readonly string[], fits: (line: string) => boolean): string[] {
  const lines: string[] = [];
  let line = "";
  for (const piece of pieces) {
    if (line !== "" && !fits(line + piece)) {
      lines.push(line);
      line = "";
    }
    line += piece;
  }
  return line.trimEnd() === "" ? lines : [...lines, line];
}
