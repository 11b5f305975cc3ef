import { type Picture, pictureOf, type Plan, plan } from "../../src/graph/index.js";
import { draw } from "../../src/pictures/draw.js";
import type { Folding } from "../../src/pictures/fold.js";
import { LETTERING, type LineStyle } from "../../src/pictures/cards.js";
import { widthOf } from "../../src/pictures/font.js";
import { catalogOf, type UnitLiteral } from "../helpers/catalog.js";
import { parseXml, within, type XmlElement } from "../helpers/xml.js";
import { FACTS } from "../graph/arbitrary.js";
import { fluxCatalog, rc1 } from "../graph/flux-units.js";
import { valueOf } from "../graph/results.js";

/** The picture of a plan, or around one of its units. */
export function pictureFor(made: Plan, around?: string): Picture {
  const picture = pictureOf(made, around);
  if (picture === undefined) throw new Error(`nothing has the name ${around ?? ""}`);
  return picture;
}

/** That of units of which all are roots, unless others are given. */
export function pictureOfUnits(
  units: readonly UnitLiteral[],
  roots = units.map(({ name }) => name),
): Picture {
  return pictureFor(valueOf(plan(catalogOf(units), { roots, facts: FACTS })));
}

export function fluxPicture(around?: string): Picture {
  return pictureFor(rc1(fluxCatalog()), around);
}

export async function svgOf(picture: Picture, folding: Folding = "as-needed"): Promise<string> {
  const drawn = await draw({ picture, format: "svg", title: "a title", scale: 1, folding });
  if (drawn.format !== "svg") throw new Error("not an SVG");
  return drawn.text;
}

/** A rectangle, in pixels. */
export interface Area {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** A card as the SVG has it. */
export interface DrawnCard {
  readonly unit: string | undefined;
  readonly classes: readonly string[];
  readonly title: string;
  readonly frame: Area;
  readonly texts: readonly (Area & { readonly text: string })[];
}

export interface DrawnSheet {
  readonly page: Area;
  readonly cards: readonly DrawnCard[];
  /** Titles of lines, such as `a requires b`. */
  readonly ties: readonly string[];
  /** Every text of the sheet. */
  readonly texts: readonly (Area & { readonly text: string })[];
}

/** Reads an SVG back. */
export function readSheet(svg: string): DrawnSheet {
  const root = parseXml(svg);
  const groups = [...within(root)].filter(({ name }) => name === "g");
  const ofClass = (name: string): XmlElement[] => groups.filter((group) => classesOf(group).includes(name));
  return {
    page: areaOf(root),
    cards: ofClass("card").map((group) => ({
      unit: group.attributes.get("data-unit"),
      classes: classesOf(group),
      title: titleOf(group),
      frame: areaOf(group.children.findLast(({ name }) => name === "rect") ?? group),
      texts: textsIn(group),
    })),
    ties: [...ofClass("tie"), ...ofClass("bracket").flatMap(({ children }) => children.slice(1))].map(
      titleOf,
    ),
    texts: textsIn(root),
  };
}

export function overlaps(a: Area, b: Area): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

/** Whether an area lies in another, but for the rounding of written numbers. */
export function isInside(a: Area, b: Area): boolean {
  const slack = 0.2;
  const isAcross = a.left >= b.left - slack && a.right <= b.right + slack;
  return isAcross && a.top >= b.top - slack && a.bottom <= b.bottom + slack;
}

function classesOf({ attributes }: XmlElement): string[] {
  return (attributes.get("class") ?? "").split(" ");
}

function titleOf({ children }: XmlElement): string {
  return children.find(({ name }) => name === "title")?.text ?? "";
}

function numberOf({ attributes }: XmlElement, key: string): number {
  return Number(attributes.get(key) ?? "0");
}

function areaOf(element: XmlElement): Area {
  const [left, top] = [numberOf(element, "x"), numberOf(element, "y")];
  return { left, top, right: left + numberOf(element, "width"), bottom: top + numberOf(element, "height") };
}

const HEADING = { size: 15, isBold: true };

/** Where the letters of each text are: as wide as the font has them, from the top of capitals to below the line. */
function textsIn(element: XmlElement): (Area & { readonly text: string })[] {
  return [...within(element)]
    .filter(({ name }) => name === "text")
    .map((text) => {
      const style = text.attributes.get("class") ?? "list";
      const lettering = style === "heading" ? HEADING : LETTERING[style as LineStyle];
      const width = widthOf(text.text, lettering);
      const [x, base] = [numberOf(text, "x"), numberOf(text, "y")];
      const left = text.attributes.get("text-anchor") === "middle" ? x - width / 2 : x;
      const top = base - 0.76 * lettering.size;
      return { text: text.text, left, top, right: left + width, bottom: base + 0.24 * lettering.size };
    });
}
