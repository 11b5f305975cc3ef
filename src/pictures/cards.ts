import { counted } from "../errors/index.js";
import type { Picture, PictureNode, PictureService } from "../graph/index.js";
import type { Box } from "./boxes.js";
import { type Lettering, widthOf, wrapEvenly } from "./font.js";
import type { Point } from "./geometry.js";

/** The style of a line of a card. */
export type LineStyle = "name" | "serves" | "others" | "reason" | "list";

/** A box with its text, ready to be placed. Sizes in pixels. */
export interface Card {
  readonly shape: "module" | "task" | "fold";
  readonly isLeftOut: boolean;
  readonly isCentre: boolean;
  /** Names of the units that it stands for. */
  readonly units: readonly string[];
  readonly lines: readonly { readonly text: string; readonly style: LineStyle }[];
  /** The full text about it, for a pointer that rests on it and for screen readers. */
  readonly title: string;
  readonly width: number;
  readonly height: number;
}

/** A card and its upper left corner. */
export interface PlacedCard extends Card, Point {}

/** The letters of each style. */
export const LETTERING: Readonly<Record<LineStyle, Lettering>> = {
  name: { size: 13, isBold: true },
  serves: { size: 11, isBold: false },
  others: { size: 11, isBold: false },
  reason: { size: 11, isBold: false },
  list: { size: 11, isBold: false },
};

/** The height of a line, for each style. */
export const LINE_HEIGHT: Readonly<Record<LineStyle, number>> = {
  name: 17,
  serves: 15,
  others: 15,
  reason: 14,
  list: 15,
};

/** The distance between the frame of a card and its text. */
export const PADDING = { x: 12, y: 8 } as const;

/** The largest text width on the card of a unit, and of a level. */
const TEXT_WIDTH = { unit: 230, level: 620 } as const;
/** How many names the card of a fold shows, and its title. It counts the others. */
const NAMES_SHOWN = { unit: 5, level: 24, title: 200 } as const;

/** How many characters of a reason a card shows, and its title. */
const REASON_MAX = 240;
const TITLE_MAX = 4000;

/** The texts of cards besides the name of the unit. */
export class CardWriter {
  readonly #centre: string | undefined;
  readonly #services = new Map<string, PictureService[]>();

  constructor({ centre, services }: Picture) {
    this.#centre = centre;
    for (const service of services) {
      const known = this.#services.get(service.picked);
      if (known === undefined) this.#services.set(service.picked, [service]);
      else known.push(service);
    }
  }

  /** @param number the number of the box, for levels */
  card(box: Box, number: number): Card {
    const [unit] = box.members;
    return unit !== undefined && box.kind === "unit" ? this.#unitCard(unit) : foldCard(box, number);
  }

  #unitCard(node: PictureNode): Card {
    const { name, kind, leftOut } = node;
    const services = this.#services.get(name) ?? [];
    const others = [...new Set(services.flatMap((service) => service.others))];
    const serves = services.map(({ service }) => service);
    const lines = [
      ...styled(name, "name", TEXT_WIDTH.unit),
      ...(serves.length === 0 ? [] : styled(`● ${someOf(serves, 8)}`, "serves", TEXT_WIDTH.unit)),
      ...(others.length === 0 ? [] : styled(`○ ${someOf(others, 8)}`, "others", TEXT_WIDTH.unit)),
      ...(leftOut === undefined ? [] : styled(cut(leftOut, REASON_MAX), "reason", TEXT_WIDTH.unit)),
    ];
    const served = services.map(
      ({ service, others: rest }) => `picked for ${service} over ${someOf(rest, NAMES_SHOWN.title)}`,
    );
    const title = [`${name}: ${kind}`, ...served, ...(leftOut === undefined ? [] : [`left out: ${leftOut}`])];
    return {
      ...{ shape: kind, isLeftOut: leftOut !== undefined, isCentre: name === this.#centre, units: [name] },
      ...{ lines, title: cut(title.join("; "), TITLE_MAX), ...sizeOf(lines) },
    };
  }
}

function foldCard({ kind, members }: Box, number: number): Card {
  const isLeftOut = members[0]?.leftOut !== undefined;
  const isLevel = kind === "level";
  const width = isLevel ? TEXT_WIDTH.level : TEXT_WIDTH.unit;
  const names = members.map(({ name }) => name);
  const heading = isLeftOut ? countsOf(members) : headingOf(kind, members, number);
  const listed = someOf(
    names,
    isLevel ? NAMES_SHOWN.level : NAMES_SHOWN.unit,
    kind === "chain" ? " → " : ", ",
  );
  const reason = reasonOf(members);
  const lines = [
    ...styled(heading, "name", width),
    ...styled(listed, "list", width),
    ...(reason === undefined ? [] : styled(cut(reason, REASON_MAX), "reason", width)),
  ];
  const title = `${heading}: ${someOf(names, NAMES_SHOWN.title)}${reason === undefined ? "" : `; left out: ${reason}`}`;
  return {
    ...{ shape: "fold", isLeftOut, isCentre: false, units: names, lines, title },
    ...sizeOf(lines),
  };
}

function headingOf(kind: Box["kind"], members: readonly PictureNode[], number: number): string {
  const counts = countsOf(members);
  switch (kind) {
    case "unit":
    case "mixed":
      return counts;
    case "chain":
      return `${counts} in a row`;
    case "alike":
      return `${counts} side by side`;
    case "level":
      return `level ${number + 1}: ${counts}`;
  }
}

/** Why all units of a box are left out; undefined if they are planned. */
function reasonOf(members: readonly PictureNode[]): string | undefined {
  const reasons = new Set(members.map(({ leftOut }) => leftOut));
  return reasons.size > 1 ? "for several reasons" : members[0]?.leftOut;
}

/** `3 modules, 1 task`. */
export function countsOf(members: readonly PictureNode[]): string {
  const tasks = members.filter(({ kind }) => kind === "task").length;
  const counts = [
    { count: members.length - tasks, noun: "module" },
    { count: tasks, noun: "task" },
  ].filter(({ count }) => count > 0);
  return counts.map(({ count, noun }) => counted(count, noun)).join(", ");
}

/** A reason may name thousands of units. */
function cut(text: string, most: number): string {
  const characters = Array.from(text.slice(0, 2 * most + 2));
  return characters.length > most ? `${characters.slice(0, most).join("")}…` : text;
}

function someOf(names: readonly string[], count: number, separator = ", "): string {
  const shown = names.slice(0, count).join(separator);
  return names.length > count ? `${shown} … and ${names.length - count} more` : shown;
}

function styled(text: string, style: LineStyle, width: number): Card["lines"] {
  return wrapEvenly(text, LETTERING[style], width).map((line) => ({ text: line, style }));
}

function sizeOf(lines: Card["lines"]): { readonly width: number; readonly height: number } {
  let width = 64;
  let height = 0;
  for (const { text, style } of lines) {
    width = Math.max(width, widthOf(text, LETTERING[style]));
    height += LINE_HEIGHT[style];
  }
  return { width: Math.ceil(width) + 2 * PADDING.x, height: height + 2 * PADDING.y };
}
