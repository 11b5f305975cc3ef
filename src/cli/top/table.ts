import { counted } from "../../errors/index.js";
import type { ModuleSample, Sample } from "./sample.js";

/** What the modules can be sorted by, with the key that does so; `load` is the order in which they were loaded. */
export const SORTS = {
  load: { key: "l", compare: () => 0 },
  name: { key: "n", compare: (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0) },
  idle: { key: "i", compare: (a, b) => a.idleSeconds - b.idleSeconds },
  queue: { key: "u", compare: (a, b) => b.sendq + b.recvq - (a.sendq + a.recvq) },
  rx: { key: "r", compare: (a, b) => b.rxPerSecond - a.rxPerSecond },
  tx: { key: "t", compare: (a, b) => b.txPerSecond - a.txPerSecond },
  cpu: { key: "c", compare: (a, b) => (b.cpuPercent ?? -1) - (a.cpuPercent ?? -1) },
  memory: { key: "m", compare: (a, b) => (b.rssBytes ?? -1) - (a.rssBytes ?? -1) },
} as const satisfies Readonly<
  Record<string, { readonly key: string; readonly compare: (a: ModuleSample, b: ModuleSample) => number }>
>;

export type Sort = keyof typeof SORTS;

/** All of them. */
export const SORT_NAMES = Object.keys(SORTS) as Sort[];

/** How the table is to look. */
export interface TableStyle {
  readonly sort: Sort;
  readonly isReversed: boolean;
}

/** A sample for people: three lines about the broker, then a line a module. */
export function sampleLines(sample: Sample, style: TableStyle): { readonly head: string[]; rows: string[] } {
  const { broker, modules } = sample;
  const rx = modules.reduce((sum, module) => sum + module.rxPerSecond, 0);
  const tx = modules.reduce((sum, module) => sum + module.txPerSecond, 0);
  return {
    head: [
      `rank ${broker.rank} of ${broker.size}, up ${duration(broker.uptimeSeconds)}, ` +
        `${counted(modules.length, "module")}, ${counted(broker.clients, "client")}, ` +
        `${counted(broker.pendingRequests, "request")} pending`,
      `broker ${broker.pid}: ${broker.cpuPercent.toFixed(1)}% cpu, ${bytes(broker.rssBytes)}; ` +
        `modules: ${rate(rx)} rx/s, ${rate(tx)} tx/s`,
      "",
      rowOf(["Module", "Idle", "S ", "Sendq", "Recvq", "Rx/s", "Tx/s", "CPU%", "Mem", "Service"]),
    ],
    rows: sorted(modules, style).map(moduleRow),
  };
}

function sorted(modules: readonly ModuleSample[], { sort, isReversed }: TableStyle): ModuleSample[] {
  const { compare } = SORTS[sort];
  const inOrder = modules.toSorted(compare);
  return isReversed ? inOrder.reverse() : inOrder;
}

function moduleRow(module: ModuleSample): string {
  const { name, state, idleSeconds, owedSeconds, sendq, recvq, rxPerSecond, txPerSecond, services } = module;
  return rowOf([
    name,
    idleText(idleSeconds),
    stateText(state, owedSeconds),
    String(sendq),
    String(recvq),
    rate(rxPerSecond),
    rate(txPerSecond),
    module.cpuPercent === undefined ? "-" : module.cpuPercent.toFixed(1),
    module.rssBytes === undefined ? "-" : bytes(module.rssBytes),
    services.join(","),
  ]);
}

/** The first columns are those of `sluice module list`. */
function rowOf(cells: readonly [string, ...string[]]): string {
  const [name, idle = "", state = "", sendq = "", recvq = "", rx = "", tx = "", cpu = "", memory = ""] =
    cells;
  const queues = `${idle.padStart(4)}  ${state}${sendq.padStart(5)} ${recvq.padStart(5)}`;
  const rates = `${rx.padStart(7)} ${tx.padStart(7)} ${cpu.padStart(5)} ${memory.padStart(8)}`;
  return `${name.padEnd(25)} ${queues} ${rates} ${cells[9] ?? ""}`.trimEnd();
}

/** A module's state, with a mark while it owes the answer to a ping of its watchdog. */
export function stateText(state: string, owedSeconds: number): string {
  return owedSeconds > 0 ? `${state}!` : `${state} `;
}

/** Seconds as `sluice module list` has them. */
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
