import type { Gantt, GanttBar } from "./gantt.js";
import { timespan } from "./timespan.js";

const WIDTH = 1200;
const MARGIN = 24;
const TITLE = 44;
const LOAD = 44;
const AXIS = 26;
const ROW = 22;
const BAR = 14;
const LEGEND = 44;
/** The average width of a letter in a label, as an upper bound. */
const LETTER = 6.7;
const LONGEST_LABEL = 34;

/** The style of a chart. A page must nest it below a separate element. @public */
export const GANTT_STYLE = `
svg { font: 12px ui-sans-serif, system-ui, "Helvetica Neue", Arial, sans-serif; }
.paper { fill: #ffffff; } .title { font-size: 15px; font-weight: 600; fill: #1b2733; }
.name { fill: #1b2733; } .note { fill: #64748b; font-size: 11px; } .grid { stroke: #e6eaf0; stroke-width: 1; }
.stripe { fill: #f6f8fb; } .load { fill: #d6e2f3; } .limit { stroke: #94a3b8; stroke-dasharray: 4 3; }
.bar { stroke-width: 1.5; } .bar-load { fill: #6b9bd8; stroke: #6b9bd8; } .bar-run { fill: #5bb8a2; stroke: #5bb8a2; }
.bar-remove { fill: #a58bd0; stroke: #a58bd0; } .bar-fail { fill: #d9534f; stroke: #d9534f; } .critical { stroke: #e08a00; stroke-width: 2.5; }
.chain { fill: none; stroke: #e08a00; stroke-width: 2; stroke-linejoin: round; } .strong { font-weight: 600; }
.wait { stroke: #e0a94a; stroke-width: 4; stroke-dasharray: 3 3; } .slack { stroke: #b6c0cd; stroke-width: 1.5; stroke-dasharray: 1.5 3; }
@media (prefers-color-scheme: dark) {
.paper { fill: #12181f; } .title, .name { fill: #e5eaf0; } .note { fill: #93a1b3; } .grid { stroke: #26303b; }
.stripe { fill: #171f28; } .load { fill: #27405f; } .limit { stroke: #5b6b7e; } .slack { stroke: #4b5a6b; }
}`;

/**
 * A Gantt chart as one SVG document that refers to no other file. Each unit has a row, with its wait for a
 * slot before the bar and its slack after the bar. The chart marks the critical chain. Its top shows how many
 * units ran at each time.
 * @param title the heading of the chart
 */
export function ganttToSvg(gantt: Gantt, title: string): string {
  return new Drawing(gantt, title).toString();
}

class Drawing {
  readonly #gantt: Gantt;
  readonly #title: string;
  readonly #left: number;
  readonly #top = TITLE + LOAD + AXIS;
  readonly #height: number;
  readonly #scale: number;
  /** With the slots of an unlimited run, the curve of its load would be too flat to see. */
  readonly #mostRunning: number;

  constructor(gantt: Gantt, title: string) {
    this.#gantt = gantt;
    this.#title = title;
    const longest = gantt.bars.reduce((most, { unit }) => Math.max(most, unit.length), 8);
    this.#left = MARGIN + Math.min(longest, LONGEST_LABEL) * LETTER + 14;
    this.#height = this.#top + gantt.bars.length * ROW + LEGEND;
    // On the right there is room for the time behind the last bar.
    this.#scale = (WIDTH - MARGIN - 40 - this.#left) / Math.max(1, gantt.durationNs);
    const peak = gantt.load.reduce((most, { running }) => Math.max(most, running), 1);
    this.#mostRunning = Math.max(peak, Math.min(gantt.jobs, 2 * peak));
  }

  toString(): string {
    const { bars } = this.#gantt;
    return [
      `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${this.#height}" width="${WIDTH}" height="${this.#height}" role="img">`,
      `<title>${escaped(this.#title)}</title>`,
      `<style>${GANTT_STYLE}\n</style>`,
      `<rect class="paper" width="${WIDTH}" height="${this.#height}"/>`,
      `<text class="title" x="${MARGIN}" y="28">${escaped(this.#title)}</text>`,
      ...bars.map((_, row) => this.#stripe(row)),
      ...this.#axis(),
      ...this.#load(),
      // Drawn before the bars, so that it lies behind them.
      this.#chain(),
      ...bars.map((bar, row) => this.#bar(bar, row)),
      ...this.#legend(),
      "</svg>\n",
    ].join("\n");
  }

  #x(atNs: number): number {
    return this.#left + atNs * this.#scale;
  }

  #y(row: number): number {
    return this.#top + row * ROW;
  }

  #stripe(row: number): string {
    if (row % 2 === 1) return "";
    return `<rect class="stripe" x="${MARGIN - 8}" y="${this.#y(row)}" width="${WIDTH - 2 * MARGIN + 16}" height="${ROW}"/>`;
  }

  #axis(): string[] {
    const bottom = this.#y(this.#gantt.bars.length);
    return ticks(this.#gantt.durationNs).map((atNs) => {
      const x = round(this.#x(atNs));
      return (
        `<line class="grid" x1="${x}" y1="${TITLE}" x2="${x}" y2="${bottom}"/>` +
        `<text class="note" x="${x}" y="${this.#top - 9}" text-anchor="middle">${tickText(atNs)}</text>`
      );
    });
  }

  #load(): string[] {
    const { load, jobs, durationNs } = this.#gantt;
    const bottom = TITLE + LOAD;
    const height = (running: number): number => (running / this.#mostRunning) * (LOAD - 6);
    let path = `M${round(this.#x(0))} ${bottom}`;
    for (const { atNs, running } of load) {
      path += `H${round(this.#x(atNs))}V${round(bottom - height(running))}`;
    }
    const right = round(this.#x(durationNs));
    const limit = round(bottom - height(jobs));
    return [
      `<path class="load" d="${path}H${right}V${bottom}Z"/>`,
      ...(jobs > this.#mostRunning
        ? []
        : [
            `<line class="limit" x1="${round(this.#left)}" y1="${limit}" x2="${right}" y2="${limit}"/>`,
            `<text class="note" x="${right + 5}" y="${limit + 4}">${jobs} slots</text>`,
          ]),
      `<text class="note" x="${round(this.#left) - 8}" y="${bottom - 4}" text-anchor="end">running</text>`,
    ];
  }

  #bar(bar: GanttBar, row: number): string {
    const { unit, action, ended, readyNs, startNs, endNs, slackNs, critical, waitedFor } = bar;
    const middle = this.#y(row) + ROW / 2;
    const x = round(this.#x(startNs));
    const right = round(Math.max(this.#x(endNs), this.#x(startNs) + 2));
    const line = (kind: string, from: number, to: number): string =>
      to - from < 1.5
        ? ""
        : `<line class="${kind}" x1="${round(from)}" y1="${middle}" x2="${round(to)}" y2="${middle}"/>`;
    const kind = ended === "end" ? action : "fail";
    const note = `${timespan(endNs - startNs)}${ended === "end" ? "" : ` ${FAILED[ended]}`}`;
    const noteEnd = right + 12 + note.length * LETTER;
    return [
      `<g><title>${escaped(told(bar))}</title>`,
      `<text class="name${critical ? " strong" : ""}" x="${round(this.#left) - 8}" y="${middle + 4}" text-anchor="end">${escaped(cut(unit))}</text>`,
      waitedFor?.kind === "slot" ? line("wait", this.#x(readyNs), x) : "",
      line("slack", noteEnd, this.#x(endNs + slackNs)),
      `<rect class="bar bar-${kind}${critical ? " critical" : ""}" x="${x}" y="${middle - BAR / 2}" width="${round(right - x)}" height="${BAR}" rx="3" data-unit="${escaped(unit)}"/>`,
      `<text class="note" x="${right + 6}" y="${middle + 4}">${note}</text>`,
      "</g>",
    ].join("");
  }

  /** The lines from the end of each critical bar to the start of the next one. */
  #chain(): string {
    const { bars, chain } = this.#gantt;
    const hops = chain.slice(1).map((row, index) => {
      const from = chain[index] ?? 0;
      const x = round(this.#x(bars[from]?.endNs ?? 0));
      const to = round(this.#x(bars[row]?.startNs ?? 0));
      const y = this.#y(from) + ROW / 2 + BAR / 2;
      return `M${x} ${y}V${this.#y(row) + ROW / 2 - BAR / 2 - 3}H${Math.max(to, x)}v3`;
    });
    return hops.length === 0 ? "" : `<path class="chain" d="${hops.join("")}"/>`;
  }

  #legend(): string[] {
    const y = this.#height - LEGEND / 2 + 4;
    const { bars } = this.#gantt;
    const has = (test: (bar: GanttBar) => boolean): boolean => bars.some(test);
    const entries = [
      ...(["load", "run", "remove"] as const).flatMap((action) =>
        has((bar) => bar.action === action && bar.ended === "end") ? [[`bar bar-${action}`, action]] : [],
      ),
      ...(has(({ ended }) => ended !== "end") ? [["bar bar-fail", "failed"]] : []),
      ["chain", "critical chain"],
      ...(has(({ waitedFor }) => waitedFor?.kind === "slot") ? [["wait", "waited for a slot"]] : []),
      ["slack", "slack"],
    ] as const;
    let x = this.#left;
    return entries.map(([kind = "", text = ""]) => {
      const at = round(x);
      x += 44 + text.length * 6.2;
      const sample = kind.startsWith("bar")
        ? `<rect class="${kind}" x="${at}" y="${y - 10}" width="18" height="11" rx="3"/>`
        : `<line class="${kind}" x1="${at}" y1="${y - 4}" x2="${at + 18}" y2="${y - 4}"/>`;
      return `${sample}<text class="note" x="${at + 24}" y="${y}">${text}</text>`;
    });
  }
}

const FAILED: Readonly<Record<Exclude<GanttBar["ended"], "end">, string>> = {
  fail: "failed",
  timeout: "timed out",
  cancel: "cancelled",
};

function told(bar: GanttBar): string {
  const { unit, action, ended, readyNs, startNs, endNs, slackNs, waitedFor } = bar;
  const after =
    waitedFor === null
      ? ""
      : waitedFor.kind === "slot"
        ? `\nwaited ${timespan(startNs - readyNs)} for a slot, which ${waitedFor.unit} held`
        : `\nwaited for ${waitedFor.unit}`;
  const end = ended === "end" ? "" : ` (${FAILED[ended]})`;
  return `${unit}: ${action}, @${timespan(startNs)} +${timespan(endNs - startNs)}${end}\nslack ${timespan(slackNs)}${after}`;
}

/** About eight round times, for the marks of the axis. */
function ticks(durationNs: number): number[] {
  const rough = Math.max(durationNs, 1) / 8;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough) ?? 10 * power;
  return Array.from({ length: Math.floor(durationNs / step) + 1 }, (_, index) => index * step);
}

function tickText(atNs: number): string {
  if (atNs === 0) return "0";
  if (atNs >= 1e9) return `${Number((atNs / 1e9).toFixed(3))} s`;
  return atNs >= 1e6 ? `${Number((atNs / 1e6).toFixed(3))} ms` : `${Number((atNs / 1e3).toFixed(3))} µs`;
}

function cut(name: string): string {
  return name.length > LONGEST_LABEL ? `${name.slice(0, LONGEST_LABEL - 1)}…` : name;
}

function round(x: number): number {
  return Math.round(x * 10) / 10;
}

/** Text for SVG and HTML. */
export function escaped(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
