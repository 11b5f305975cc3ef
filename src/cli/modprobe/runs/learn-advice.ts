import { type Lesson, type LuckyMessage, timespan, type UnusedEdge } from "../../../analysis/index.js";
import type { Location } from "../../../errors/index.js";
import {
  type AfterLine,
  afterLine,
  type Catalog,
  type Relation,
  relationBetween,
  type UnitUpdate,
  updatesToToml,
} from "../../../units/index.js";

/** A lesson, and the places in the files for its changes. */
interface Advice {
  readonly isComplete: boolean;
  readonly missing: readonly Doubt[];
  readonly doubtful: readonly Doubt[];
  readonly unused: readonly (UnusedEdge & { readonly relation: Relation | undefined })[];
}

interface Doubt extends LuckyMessage {
  /** Undefined if the files no longer have such a unit. */
  readonly add: AfterLine | undefined;
}

/** How many unused relations are shown. */
const UNUSED_SHOWN = 10;

export function adviceOn(lesson: Lesson, catalog: Catalog): Advice {
  const doubt = (message: LuckyMessage): Doubt => {
    const services = [...new Set(message.topics.map((topic) => topic.split(".")[0] ?? ""))];
    return { ...message, add: afterLine(catalog, { unit: message.unit, other: message.asked, services }) };
  };
  return {
    isComplete: lesson.isComplete,
    missing: lesson.missing.map(doubt),
    doubtful: lesson.doubtful.map(doubt),
    unused: lesson.unused.map((edge) => ({
      ...edge,
      relation: relationBetween(catalog, edge.unit, edge.after),
    })),
  };
}

export function adviceJson({ isComplete, missing, doubtful, unused }: Advice): object {
  const doubtJson = ({ unit, asked, topics, closesRing, add }: Doubt): object => {
    const { name = null, text = null, isReplaced = false } = add ?? {};
    return { unit, asked, topics, closesRing, after: name, line: text, isReplaced, ...placeJson(add?.place) };
  };
  return {
    isComplete,
    missing: missing.map(doubtJson),
    doubtful: doubtful.map(doubtJson),
    unused: unused.map(({ unit, after, savedNs, relation }) => ({
      ...{ unit, after, savedMs: savedNs / 1e6, key: relation?.key ?? null },
      ...placeJson(relation?.place),
    })),
  };
}

function placeJson(place: Location | undefined): object {
  return { file: place?.file ?? null, lineNumber: place?.line ?? null };
}

export function adviceLines({ isComplete, missing, doubtful, unused }: Advice): string[] {
  const lines = [
    ...missing.flatMap((doubt) => ["", ...doubtLines(doubt, `before ${doubt.unit} ran`)]),
    ...doubtful.flatMap((doubt) => [
      "",
      ...doubtLines(doubt, `when ${doubt.unit} ran already, perhaps on behalf of another unit`),
    ]),
    ...unusedLines(unused),
  ];
  const news =
    missing.length + doubtful.length === 0 ? ["relations order all units that messages connect"] : [];
  const gap = isComplete
    ? []
    : ["", "the record has only the messages of the first 60 s; broker.learn=1 records all"];
  return [...news, ...lines, ...gap];
}

function doubtLines({ unit, asked, topics, closesRing, add }: Doubt, when: string): string[] {
  const said = `without a relation, ${unit} sent requests to ${asked} ${when}: ${topics.join(", ")}`;
  if (closesRing) return [said, "  an order of these two would form a cycle with the orders above"];
  if (add === undefined) return [said, "  the files no longer define this unit"];
  const { text, isReplaced } = add;
  return [said, `  ${isReplaced ? "make it" : "add"} ${text}${placeText(add.place)}`];
}

function placeText(place: Location | undefined): string {
  return place === undefined ? "" : `  (${place.file}:${place.line})`;
}

function unusedLines(unused: Advice["unused"]): string[] {
  if (unused.length === 0) return [];
  const shown = unused.slice(0, UNUSED_SHOWN);
  const more = unused.length - shown.length;
  return [
    ...["", "no message used these relations, which made the run longer by:"],
    ...shown.map(
      ({ unit, after, savedNs, relation }) =>
        `  ${unit} after ${after}: ${timespan(savedNs)}${placeText(relation?.place)}`,
    ),
    ...(more > 0 ? [`  and ${more} more; --json lists all`] : []),
  ];
}

/**
 * A unit file that adds the missing relations. Unused relations are in comments, because units may also need an order
 * without messages.
 */
export function fragmentLines({ missing, unused }: Advice, headline: string): string[] {
  const added = missing.flatMap(({ unit, asked, topics, closesRing, add }): UnitUpdate[] => {
    if (closesRing || add === undefined) return [];
    const comments = [`requests to ${asked} before ${unit} ran: ${topics.join(", ")}`];
    return [{ unit, key: "after", edit: "+", values: [add.name], comments }];
  });
  const proposed = unused.flatMap(({ unit, after, savedNs, relation }): UnitUpdate[] => {
    if (relation === undefined || savedNs === 0) return [];
    const { unit: namer, key, name } = relation;
    const comments = [
      `no message used ${unit} after ${after}; without this order the run is ${timespan(savedNs)} shorter`,
    ];
    return [{ unit: namer, key, edit: "-", values: [name], comments, isProposed: true }];
  });
  const head = `# Written by sluice modprobe learn, from ${headline}`;
  return [head, ...updatesToToml([...added, ...proposed])];
}
