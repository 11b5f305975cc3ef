import { Counter, Gauge, type OpenMetricsContentType, Registry } from "prom-client";
import { fields, type JsonValue } from "../messages/index.js";
import type { LiveInstance } from "./live.js";

/** A text of metrics, and its content type. */
export interface MetricsText {
  readonly type: string;
  readonly text: string;
}

type Labels = Readonly<Record<string, string | number>>;

/**
 * The numbers about the work of an instance. It makes a new registry each time. So it has no values of modules that
 * are gone, and shares nothing with a registry of the surrounding program.
 * @param accept which format the reader prefers: OpenMetrics if it accepts that, else the text format of Prometheus
 */
export async function metricsOf(live: LiveInstance, accept: string): Promise<MetricsText> {
  const isOpen = accept.includes("application/openmetrics-text");
  const registry = isOpen ? openRegistry() : new Registry();
  const made = new Map<string, Gauge | Counter>();
  const common = (name: string, labels: Labels) => ({
    ...{ name, help: HELP[name] ?? name, labelNames: Object.keys(labels), registers: [registry] },
  });
  const add = (name: string, labels: Labels, value: number): void => {
    const known = made.get(name);
    const metric = known ?? new (name.endsWith("_total") ? Counter : Gauge)(common(name, labels));
    made.set(name, metric);
    metric.inc({ ...labels }, value);
  };
  measure(live, add);
  return { type: registry.contentType, text: await registry.metrics() };
}

function openRegistry(): Registry<OpenMetricsContentType> {
  const registry = new Registry<OpenMetricsContentType>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  return registry;
}

const HELP: Readonly<Record<string, string>> = {
  sluice_ranks: "Ranks by state.",
  sluice_modules: "Modules of a rank by phase.",
  sluice_modules_failed: "Modules of a rank that failed and do not run.",
  sluice_broker_clients: "Connections of clients to a broker, without modules.",
  sluice_broker_pending_requests: "Requests that a broker has passed on and that still have no answer.",
  sluice_broker_held_requests: "Requests for reloading modules, and senders that flow control holds back.",
  sluice_broker_published_events_total: "Events published at a broker.",
  sluice_broker_dropped_log_lines_total:
    "Lines of the log, and of the output of programs, that a broker has dropped.",
  sluice_runs_total: "Runs of plans that have ended, by command and outcome.",
  sluice_run_duration_seconds_total: "Total time of runs of plans, by command and outcome.",
  sluice_last_run_duration_seconds: "Time of the last run with this command and outcome.",
  sluice_broker_cpu_seconds_total: "Processor time of a broker with the threads of its modules.",
  sluice_broker_resident_memory_bytes: "Memory of a broker with the threads of its modules.",
  sluice_module_restarts_total: "Restarts of a module after failures.",
  sluice_module_received_messages_total: "Messages that a module has received since its start.",
  sluice_module_sent_messages_total: "Messages that a module has sent since its start.",
  sluice_module_send_queue_messages: "Messages that wait for a module.",
  sluice_module_receive_queue_messages: "Messages of a module that wait in the broker.",
  sluice_module_unanswered_seconds: "How long a ping of the watchdog has had no answer from a module.",
  sluice_module_cpu_seconds_total: "Processor time of a module in its own process.",
  sluice_module_resident_memory_bytes: "Memory of a module in its own process.",
};

type Add = (name: string, labels: Labels, value: number) => void;

function measure(live: LiveInstance, add: Add): void {
  for (const state of RANK_STATES) add("sluice_ranks", { state }, 0);
  for (const state of live.rankStates()) add("sluice_ranks", { state }, 1);
  for (const { rank, broker, modules, failed } of live.ranks()) {
    if (broker === null) continue;
    for (const phase of PHASES) add("sluice_modules", { rank, phase }, 0);
    add("sluice_modules_failed", { rank }, failed);
    measureBroker(rank, broker, add);
    for (const module of modules) measureModule(rank, module, add);
  }
}

const RANK_STATES = ["joining", "online", "failed", "stalled", "left", "lost"] as const;
const PHASES = ["starting", "up", "removing", "reloading", "backoff"] as const;

function measureBroker(rank: number, payload: JsonValue, add: Add): void {
  const broker = fields(payload, {
    clients: "integer",
    pendingRequests: "integer",
    heldRequests: "integer",
    publishedEvents: "integer",
    droppedLogLines: "integer",
    runs: "array",
    cpuSeconds: "number",
    rssBytes: "integer",
  });
  add("sluice_broker_clients", { rank }, broker.clients);
  add("sluice_broker_pending_requests", { rank }, Math.max(0, broker.pendingRequests));
  add("sluice_broker_held_requests", { rank }, broker.heldRequests);
  add("sluice_broker_published_events_total", { rank }, broker.publishedEvents);
  add("sluice_broker_dropped_log_lines_total", { rank }, broker.droppedLogLines);
  for (const run of broker.runs) measureRuns(rank, run, add);
  add("sluice_broker_cpu_seconds_total", { rank }, broker.cpuSeconds);
  add("sluice_broker_resident_memory_bytes", { rank }, broker.rssBytes);
}

function measureRuns(rank: number, payload: JsonValue, add: Add): void {
  const { command, outcome, ...run } = fields(payload, {
    ...{ command: "string", outcome: "string" },
    ...{ count: "integer", seconds: "number", lastSeconds: "number" },
  } as const);
  const labels = { rank, command, outcome };
  add("sluice_runs_total", labels, run.count);
  add("sluice_run_duration_seconds_total", labels, run.seconds);
  add("sluice_last_run_duration_seconds", labels, run.lastSeconds);
}

function measureModule(rank: number, payload: JsonValue, add: Add): void {
  const { name, phase, ...module } = fields(payload, MODULE);
  const labels = { rank, module: name };
  add("sluice_modules", { rank, phase }, 1);
  add("sluice_module_restarts_total", labels, module.restarts);
  add("sluice_module_received_messages_total", labels, module.rx);
  add("sluice_module_sent_messages_total", labels, module.tx);
  add("sluice_module_send_queue_messages", labels, module.sendq);
  add("sluice_module_receive_queue_messages", labels, module.recvq);
  add("sluice_module_unanswered_seconds", labels, module.owedSeconds);
  if (module.cpuSeconds !== undefined) add("sluice_module_cpu_seconds_total", labels, module.cpuSeconds);
  if (module.rssBytes !== undefined) add("sluice_module_resident_memory_bytes", labels, module.rssBytes);
}

const MODULE = {
  name: "string",
  phase: "string",
  restarts: "integer",
  rx: "integer",
  tx: "integer",
  sendq: "integer",
  recvq: "integer",
  owedSeconds: "number",
  cpuSeconds: "number?",
  rssBytes: "integer?",
} as const;
