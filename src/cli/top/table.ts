import { counted } from "../../errors/index.js";
import { rankSetOf } from "../../units/index.js";
import type { ModuleSample, Sample } from "./sample.js";

/** The columns for sorting, with their keys; `load` is the order in which they were loaded. */
export const SORTS = {
  load: { key: "l", compare: () => 0 },
  name: { key: "n", compare: (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0) },
  idle: { key: "i", compare: (a, b) => a.idleSeconds - b.idleSeconds },
  queue: { key: "u", compare: (a, b) => b.sendq + b.recvq - (a.sendq + a.recvq) },
  rx: { key: "r", compare: (a, b) => b.rxPerSecond - a.rxPerSecond },
  tx: { key: "t", compare: (a, b) => b.txPerSecond - a.txPerSecond },
  cpu: { key: "c", compare: (a, b) => (b.cpuPercent ?? -1) - (a.cpuPercent ?? -1) },
  memory: { key: "m", compare: (a, b) => (b.rssBytes ?? -1) - (a.rssBytes ?? -1) },
  restarts: { key: "e", compare: (a, b) => b.restarts - a.restarts },
  health: { key: "h", compare: (a, b) => illness(b) - illness(a) },
} as const satisfies Readonly<
  Record<string, { readonly key: string; readonly compare: (a: ModuleSample, b: ModuleSample) => number }>
>;

export type Sort = keyof typeof SORTS;

/** The names of all sort orders. */
export const SORT_NAMES = Object.keys(SORTS) as Sort[];

/** The module in the worst state comes first. */
function illness({ phase, health = "", owedSeconds }: ModuleSample): number {
  const found = ["failing", "silent", "failed"].indexOf(health) + 1;
  return found * 1e6 + owedSeconds + (phase === "up" ? 0 : 0.5);
}

/** The layout of the table. */
export interface TableStyle {
  readonly sort: Sort;
  readonly isReversed: boolean;
  /**
   * Columns of the terminal: on a narrow one the column of names is only as wide as its names. Default: no limit.
   */
  readonly columns?: number;
}

/** The report of a rank. */
export interface RankSample {
  readonly rank: number;
  readonly sample: Sample | undefined;
  /** Why the report is missing. */
  readonly problem: string | undefined;
}

/** A line about a module. */
export interface TableRow {
  readonly text: string;
  /** It does not answer, its probe fails, or it waits for a restart. */
  readonly isIll: boolean;
}

/** Lines for people: some about the brokers, the last of which names the columns, then one for each module. */
export interface TableLines {
  readonly head: readonly string[];
  readonly rows: readonly TableRow[];
}

/** A row of the table: a module, and its rank if there are several. */
interface Placed {
  readonly rank: number | undefined;
  readonly module: ModuleSample;
}

const TITLES = [
  ...["Module", "Idle", "S ", "Sendq", "Recvq", "Rx/s", "Tx/s", "CPU%", "Mem"],
  ...["Rst", "Health", "Service"],
];

/** The width of names in `sluice module list`. */
const NAME_WIDTH = 25;
const SHORTEST_NAME_WIDTH = 6;
/** The width from the blank after the name to the title of the services. */
const OTHERS_WIDTH = 73;
const RANK_WIDTH = 5;

/** A sample: three lines about the broker, then a line a module. */
export function sampleLines(sample: Sample, style: TableStyle): TableLines {
  const { broker, modules } = sample;
  return tableLines(
    [
      `rank ${broker.rank} of ${broker.size}, up ${duration(broker.uptimeSeconds)}, ` +
        `${counted(modules.length, "module")}, ${counted(broker.clients, "client")}, ` +
        `${counted(broker.pendingRequests, "request")} pending`,
      `broker ${broker.pid}: ${usageText([sample])}`,
    ],
    modules.map((module) => ({ rank: undefined, module })),
    style,
  );
}

/** Samples of several ranks in one table. Ranks without a report have a line each above it. */
export function ranksLines(ranks: readonly RankSample[], style: TableStyle): TableLines {
  const samples = ranks.flatMap(({ sample }) => (sample === undefined ? [] : [sample]));
  const sum = (of: (sample: Sample) => number): number => samples.reduce((all, one) => all + of(one), 0);
  const { text } = rankSetOf(samples.map(({ broker }) => broker.rank));
  return tableLines(
    [
      `ranks ${text} of ${samples[0]?.broker.size ?? 0}, ${counted(
        sum(({ modules }) => modules.length),
        "module",
      )}, ` +
        `${counted(
          sum(({ broker }) => broker.clients),
          "client",
        )}, ` +
        `${counted(
          sum(({ broker }) => broker.pendingRequests),
          "request",
        )} pending`,
      `brokers: ${usageText(samples)}`,
      ...ranks.flatMap(({ rank, problem }) => (problem === undefined ? [] : [`rank ${rank}: ${problem}`])),
    ],
    samples.flatMap(({ broker: { rank }, modules }) => modules.map((module) => ({ rank, module }))),
    style,
  );
}

function tableLines(about: readonly string[], placed: readonly Placed[], style: TableStyle): TableLines {
  const width = nameWidth(placed, style);
  const rankOf = (text: string): string => (placed[0]?.rank === undefined ? "" : text.padStart(4) + " ");
  return {
    head: [...about, "", rankOf("Rank") + rowOf(TITLES, width)],
    rows: sorted(placed, style).map(({ rank, module }) => ({
      text: rankOf(String(rank)) + rowOf(moduleCells(module), width),
      isIll: module.owedSeconds > 0 || !["ok", undefined].includes(module.health),
    })),
  };
}

function nameWidth(placed: readonly Placed[], { columns = Infinity }: TableStyle): number {
  const longest = placed.reduce(
    (most, { module }) => Math.max(most, module.name.length),
    SHORTEST_NAME_WIDTH,
  );
  const room = columns - OTHERS_WIDTH - (placed[0]?.rank === undefined ? 0 : RANK_WIDTH);
  return Math.min(NAME_WIDTH, Math.max(longest, room));
}

/** The totals of brokers and of the messages of their modules. */
function usageText(samples: readonly Sample[]): string {
  let [cpuPercent, rssBytes, rx, tx] = [0, 0, 0, 0];
  for (const { broker, modules } of samples) {
    cpuPercent += broker.cpuPercent;
    rssBytes += broker.rssBytes;
    for (const module of modules) {
      rx += module.rxPerSecond;
      tx += module.txPerSecond;
    }
  }
  return `${cpuPercent.toFixed(1)}% cpu, ${bytes(rssBytes)}; modules: ${rate(rx)} rx/s, ${rate(tx)} tx/s`;
}

function sorted(placed: readonly Placed[], { sort, isReversed }: TableStyle): Placed[] {
  const { compare } = SORTS[sort];
  const inOrder = placed.toSorted((a, b) => compare(a.module, b.module));
  return isReversed ? inOrder.reverse() : inOrder;
}

function moduleCells(module: ModuleSample): string[] {
  const { name, state, idleSeconds, owedSeconds, sendq, recvq, rxPerSecond, txPerSecond, services } = module;
  return [
    name,
    idleText(idleSeconds),
    stateText(state, owedSeconds),
    String(sendq),
    String(recvq),
    rate(rxPerSecond),
    rate(txPerSecond),
    module.cpuPercent === undefined ? "-" : module.cpuPercent.toFixed(1),
    module.rssBytes === undefined ? "-" : bytes(module.rssBytes),
    String(module.restarts),
    healthText(module),
    services.join(","),
  ];
}

/** The first columns are the same as in `sluice module list`. */
function rowOf(cells: readonly string[], width: number): string {
  const [name = "", idle = "", state = "", sendq = "", recvq = "", rx = "", tx = "", cpu = "", memory = ""] =
    cells;
  const [restarts = "", health = "", services = ""] = cells.slice(9);
  const queues = `${idle.padStart(4)}  ${state}${sendq.padStart(5)} ${recvq.padStart(5)}`;
  const rates = `${rx.padStart(7)} ${tx.padStart(7)} ${cpu.padStart(5)} ${memory.padStart(8)}`;
  const care = `${restarts.padStart(3)} ${health.padEnd(9)}`;
  return `${name.padEnd(width)} ${queues} ${rates} ${care} ${services}`.trimEnd();
}

/** The current operation of the broker on a module; for a running module its health, `-` without a watchdog and a probe. */
function healthText({ phase, health = "-", probe }: ModuleSample): string {
  if (phase !== "up") return phase;
  return health === "failing" && probe !== undefined ? `fails ${probe.failures}/${probe.limit}` : health;
}

/** A module's state, with a mark while an answer to a ping of its watchdog is due. */
export function stateText(state: string, owedSeconds: number): string {
  return owedSeconds > 0 ? `${state}!` : `${state} `;
}

/** Seconds in the form of `sluice module list`. */
export function idleText(seconds: number): string {
  return seconds > 99 ? "idle" : String(Math.floor(seconds));
}

function rate(perSecond: number): string {
  return perSecond >= 100 ? perSecond.toFixed(0) : perSecond.toFixed(1);
}

function bytes(count: number): string {
  const mib = count / (1024 * 1024);
  return mib >= 1024 ? `${(mib / 1024).toFixed(1)} GiB` : `${mib.toFixed(0)} MiB`;
}

function duration(seconds: number): string {
  const whole = Math.floor(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return [hours, minutes, whole % 60].map((part) => String(part).padStart(2, "0")).join(":");
}
