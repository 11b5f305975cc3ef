import type { Handle } from "../messages/index.js";
import { startTimer } from "../processes/index.js";
import { Guard, hostsOf } from "./guards.js";
import { LiveInstance } from "./live.js";
import { metricsModule } from "./metrics-module.js";
import { HttpError, sendText } from "./replies.js";
import { type Listen, type PageServer, serveRequests, type ServerOptions } from "./server.js";

/** The time between two readings of queues and rates. */
const PERIOD_MS = 1000;

/** The instance of the metrics, and the access rules. */
interface MetricsServerOptions extends Pick<ServerOptions, "log" | "tls"> {
  readonly handle: Handle;
  readonly listen: Listen;
  /** Undefined: no token is needed. */
  readonly token: string | undefined;
  readonly allowedHosts: readonly string[];
}

/**
 * Serves only `GET /metrics`, until it is closed (docs/design/web.md §2).
 * @throws SluiceError `WEB_LISTEN` if it cannot listen
 */
export async function startMetrics(options: MetricsServerOptions): Promise<PageServer> {
  const { handle, listen, token, tls, allowedHosts, log } = options;
  const live = new LiveInstance({ handle, periodMs: PERIOD_MS, onChange: () => undefined, onProblem: log });
  const guard = new Guard({
    token: undefined,
    metricsToken: token,
    hosts: [...allowedHosts, ...hostsOf(listen)],
  });
  live.start();
  try {
    const server = await serveRequests(
      { listen, tls, basePath: "/", guard, log },
      {
        accessTo: (place) => (place === "metrics" ? "metrics" : undefined),
        answer: async (_place, { request, response }) => {
          if (request.method !== "GET" && request.method !== "HEAD") throw new HttpError(405, "GET only");
          const { type, text } = await (await metricsModule()).metricsOf(live, request.headers.accept ?? "");
          sendText(response, text, { type });
        },
      },
    );
    const close = async (): Promise<void> => {
      live.close();
      await server.close();
    };
    return { url: server.url, close };
  } catch (error) {
    live.close();
    throw error;
  }
}

interface PrintOptions {
  /** Whether the format is OpenMetrics, rather than the text format of Prometheus. */
  readonly isOpen: boolean;
  readonly timeoutMs: number;
}

/**
 * The current metrics, when each rank has reported its own.
 * @throws Error with the names of the ranks that have not answered in time
 */
export async function printedMetrics(handle: Handle, { isOpen, timeoutMs }: PrintOptions): Promise<string> {
  const problems: string[] = [];
  let changed: () => void = () => undefined;
  const live = new LiveInstance({
    handle,
    periodMs: PERIOD_MS,
    onChange: () => changed(),
    onProblem: (text) => problems.push(text),
  });
  let timer: { cancel(): void } | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      changed = () => {
        if (live.missing()?.length !== 0) return;
        if (problems.length === 0) resolve();
        else reject(new Error(problems.join("; ")));
      };
      const late = (): void => {
        const ranks = live.missing()?.join(", ") ?? "0";
        reject(
          new Error([`no answer of rank ${ranks} within ${timeoutMs / 1000} s`, ...problems].join("; ")),
        );
      };
      timer = startTimer(timeoutMs, late);
      live.start();
    });
    return (await (await metricsModule()).metricsOf(live, isOpen ? "application/openmetrics-text" : "")).text;
  } finally {
    timer?.cancel();
    live.close();
  }
}
