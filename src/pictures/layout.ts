import { type Graph, instance, type Viz } from "@viz-js/viz";
import { SluiceError } from "../errors/index.js";
import type { Tie } from "./boxes.js";
import type { Point, Size } from "./geometry.js";

/** Made at the first use, because it takes a while. */
let graphviz: Promise<Viz> | undefined;

/** The places of boxes and lines. */
interface Layout extends Size {
  /** The middle of each box. */
  readonly centres: readonly Point[];
  /** For each tie a Bézier curve from the first box to the other: 3 n + 1 points. */
  readonly curves: readonly (readonly Point[])[];
}

const PIXELS_PER_INCH = 72;
/** The number of lines to one box from which on their weight is less. */
const MANY = 4;

/**
 * Places boxes by Graphviz, with the first ones on the left, or on top.
 * @throws SluiceError `GRAPH_PICTURE` if Graphviz fails
 */
export async function layOut(
  sizes: readonly Size[],
  ties: readonly Tie[],
  direction: "LR" | "TB",
): Promise<Layout> {
  const viz = await (graphviz ??= instance());
  const { status, output, errors } = renderPlain(() =>
    viz.render(graphOf(sizes, ties, direction), { format: "plain" }),
  );
  if (status === "success") return readPlain(output, sizes.length, ties);
  const why = errors.map(({ message }) => message).join("; ");
  throw new SluiceError("GRAPH_PICTURE", `Graphviz cannot lay out ${sizes.length} boxes: ${why}`);
}

/** Graphviz ends with an exception of WebAssembly when it has no memory left. */
function renderPlain<T>(render: () => T): T {
  try {
    return render();
  } catch (error) {
    throw new SluiceError("GRAPH_PICTURE", "Graphviz ended before the picture was laid out", {
      cause: error,
    });
  }
}

function graphOf(sizes: readonly Size[], ties: readonly Tie[], direction: "LR" | "TB"): Graph {
  const comers = new Uint32Array(sizes.length);
  for (const { then } of ties) comers[then] = (comers[then] ?? 0) + 1;
  return {
    directed: true,
    graphAttributes: {
      rankdir: direction,
      nodesep: 0.3,
      ranksep: direction === "LR" ? 0.75 : 0.45,
      outputorder: "nodesfirst",
    },
    nodeAttributes: { shape: "box", fixedsize: true, label: "" },
    edgeAttributes: {
      dir: "none",
      ...(direction === "LR" ? { tailport: "e", headport: "w" } : { tailport: "s", headport: "n" }),
    },
    nodes: sizes.map(({ width, height }, i) => ({
      name: String(i),
      attributes: { width: width / PIXELS_PER_INCH, height: height / PIXELS_PER_INCH },
    })),
    edges: ties.map((tie) => ({
      tail: String(tie.first),
      head: String(tie.then),
      attributes: { weight: weightOf(tie, comers[tie.then] ?? 0) },
    })),
  };
}

/**
 * The weight that keeps a line short and straight. A line that orders has the most. Lines to a box that comes after
 * many have little weight: they would pull all of those away from their own predecessors.
 */
function weightOf({ relations }: Tie, comers: number): number {
  if (comers > MANY) return 1;
  return relations.some(({ relation }) => relation === "order") ? 4 : 2;
}

/**
 * The form of Graphviz for other programs: one line for each node and edge and for the graph, words between blanks,
 * inches.
 */
function readPlain(text: string, boxCount: number, ties: readonly Tie[]): Layout {
  const rows = text.split("\n").map((line) => line.split(" "));
  const [, , width = 0, height = 0] = (rows.find(([kind]) => kind === "graph") ?? []).map(pixels);
  const point = (x: number | undefined, y: number | undefined): Point => ({
    x: x ?? 0,
    // Graphviz counts from below.
    y: height - (y ?? 0),
  });
  const centres: Point[] = Array.from({ length: boxCount }, () => ({ x: 0, y: 0 }));
  const curves = new Map<string, Point[]>();
  for (const row of rows) {
    if (row[0] === "node") centres[Number(row[1])] = point(pixels(row[2]), pixels(row[3]));
    if (row[0] !== "edge") continue;
    const numbers = row.slice(4, 4 + 2 * Number(row[3])).map(pixels);
    const points = numbers.flatMap((x, i) => (i % 2 === 0 ? [point(x, numbers[i + 1])] : []));
    curves.set(`${row[1] ?? ""} ${row[2] ?? ""}`, points);
  }
  return {
    width,
    height,
    centres,
    curves: ties.map(({ first, then }) => curves.get(`${first} ${then}`) ?? []),
  };
}

function pixels(inches: string | undefined): number {
  return Number(inches) * PIXELS_PER_INCH;
}
