import type { Handle } from "../messages/index.js";
import { Commands } from "./commands.js";
import { Guard, hostsOf } from "./guards.js";
import { Hub } from "./hub.js";
import { LiveInstance } from "./live.js";
import { metricsModule } from "./metrics-module.js";
import { readPageFiles } from "./page-files.js";
import { type Listen, type PageServer, servePage, type ServerOptions } from "./server.js";

export { isLoopbackAddress, isLoopbackName } from "./guards.js";
export { readTokenFile, Token } from "./token.js";
export type { Listen } from "./server.js";
export { printedMetrics, startMetrics } from "./metrics-server.js";

/** The subject of a page, and its access rules. */
export interface WebOptions extends Pick<
  ServerOptions,
  "planArgs" | "runArgs" | "unitArgs" | "log" | "tls" | "basePath"
> {
  /** Undefined: a plan and recorded runs, without an instance. */
  readonly handle: Handle | undefined;
  readonly listen: Listen;
  readonly token: string | undefined;
  readonly metricsToken: string | undefined;
  readonly allowedHosts: readonly string[];
  readonly readOnly: boolean;
  readonly version: string;
  /** The first words of every command of Sluice, and the environment of commands. */
  readonly program: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** The directory of the page's files. */
  readonly pageDirectory: string;
  /** Describes the waits of an instance, in lines. */
  readonly waits?: (handle: Handle) => Promise<readonly string[]>;
  /** The time between two readings of queues and rates. */
  readonly periodMs: number;
  readonly commentMs: number;
}

/**
 * Serves the page until it is closed.
 * @throws SluiceError `WEB_LISTEN` if it cannot listen
 */
export async function startWeb(options: WebOptions): Promise<PageServer> {
  const { handle, listen, token, metricsToken, version, readOnly, log } = options;
  const commands = new Commands(options.program, options.env);
  const live =
    handle === undefined
      ? undefined
      : liveOf(handle, options, { publish: (change) => hub.publish(change), size: () => hub.size });
  const hub: Hub = new Hub({
    uuid: handle === undefined ? "offline" : ((await handle.attr("instance-id")) ?? handle.uuid),
    picture: () => live?.picture() ?? {},
    commentMs: options.commentMs,
  });
  try {
    live?.start();
    const server = await servePage({
      ...options,
      session: {
        ...{ mode: handle === undefined ? "offline" : "live", readOnly, version },
        ...{ size: handle?.size ?? 1, rank: handle?.rank ?? 0 },
      },
      files: readPageFiles(options.pageDirectory),
      guard: new Guard({ token, metricsToken, hosts: [...options.allowedHosts, ...hostsOf(listen)] }),
      ...{ hub, commands, log },
      metrics:
        live === undefined ? undefined : async (accept) => (await metricsModule()).metricsOf(live, accept),
    });
    const close = async (): Promise<void> => {
      live?.close();
      hub.close();
      commands.close();
      await server.close();
    };
    return { url: server.url, close };
  } catch (error) {
    live?.close();
    hub.close();
    throw error;
  }
}

function liveOf(
  handle: Handle,
  { periodMs, log, waits }: WebOptions,
  pages: { readonly publish: (change: unknown) => void; readonly size: () => number },
): LiveInstance {
  return new LiveInstance({
    ...{ handle, periodMs, onChange: pages.publish, onProblem: log },
    ...(waits !== undefined && { waits: { ask: () => waits(handle), hasReaders: () => pages.size() > 0 } }),
  });
}
