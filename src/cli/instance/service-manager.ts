import {
  type Broker,
  delayOf,
  type LifeState,
  ServiceNotifier,
  ServiceWatchdog,
  TimeExtender,
  watchdogInterval,
} from "../../broker/index.js";
import { pythonEnvironment } from "../../processes/index.js";
import { ExitError } from "../terminal/output.js";

/** The service manager that started us, if one did. */
export interface ServiceManager {
  readonly notifySocket: string | undefined;
  readonly isManaged: boolean;
  /** How often it expects a message that the broker answers. */
  readonly watchdogMs: number | undefined;
  /** The descriptor of the local socket, if the manager has opened that. */
  readonly socketFd: number | undefined;
}

/** The first descriptor that a manager hands over (sd_listen_fds(3)). */
const FIRST_FD = 3;

/** The variables of a manager, which this process does not pass to its child processes. */
const VARIABLES = [
  ...["NOTIFY_SOCKET", "INVOCATION_ID", "WATCHDOG_USEC", "WATCHDOG_PID"],
  ...["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"],
] as const;

/**
 * Reads the variables of a service manager from the environment.
 * @throws ExitError if the manager passes several sockets
 */
export function takeServiceManager(isContainer: boolean): ServiceManager {
  const { env, pid, ppid } = process;
  const notifySocket = env["NOTIFY_SOCKET"] || undefined;
  const isManaged = isContainer || notifySocket !== undefined || Boolean(env["INVOCATION_ID"]);
  const watchdogMs = watchdogInterval(env, [pid, ppid]);
  // Descriptors for another process do not count.
  const count = env["LISTEN_PID"] === String(pid) ? Number(env["LISTEN_FDS"] ?? 0) : 0;
  for (const name of VARIABLES) Reflect.deleteProperty(env, name);
  if (count > 1) throw new ExitError(1, `LISTEN_FDS is ${count}; a broker has one socket only`);
  return { notifySocket, isManaged, watchdogMs, socketFd: count === 1 ? FIRST_FD : undefined };
}

/** Reports the state of the broker to the manager. */
export function notifierFor(socket: string, broker: Broker): ServiceNotifier {
  return new ServiceNotifier({
    socket,
    senders: [
      { command: ["systemd-notify"] },
      { command: ["python3", "-m", "sluice.sd_notify"], env: pythonEnvironment(process.env) },
    ],
    onError: (text) => broker.log.append("broker", "warning", text),
  });
}

/** Each message starts a process. */
const SHORTEST_EXTENSION_MS = 100;

/** Requests more time from the manager. It receives every state. */
export function extenderFor(broker: Broker, notifier: ServiceNotifier): StateExtender {
  const everyMs = Math.max(SHORTEST_EXTENSION_MS, delayOf(broker.attributes, "broker.waiting-after"));
  const extender = new TimeExtender({ everyMs, extend: (timeMs) => notifier.extend(timeMs) });
  const limit = (name: string): number => delayOf(broker.attributes, name);
  let isEnding = false;
  return {
    progress: () => extender.progress(),
    state: (state) => {
      switch (state) {
        case "join":
        case "quorum":
          extender.begin(limit("broker.quorum-timeout"));
          return;
        case "init":
          extender.begin(limit("broker.rc1-timeout"));
          return;
        case "run":
        case "goodbye":
          extender.end();
          return;
        case "cleanup":
        case "shutdown":
        case "finalize":
          if (!isEnding) extender.begin(broker.shutdownTimeoutMs());
          isEnding = true;
      }
    },
  };
}

/** Requests more time from the manager while a state of the instance takes long. */
export interface StateExtender {
  state(state: LifeState): void;
  progress(): void;
}

/** Reports to the manager that the broker answers. */
export async function watchdogFor(
  broker: Broker,
  notifier: ServiceNotifier,
  intervalMs: number,
): Promise<ServiceWatchdog> {
  const handle = await broker.connect();
  return new ServiceWatchdog({
    intervalMs,
    ask: () => handle.rpc("attr.get", { name: "rank" }),
    keepAlive: () => notifier.keepAlive(),
  });
}
