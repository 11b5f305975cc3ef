import { Command, Option } from "commander";
import { messageOf } from "../../errors/index.js";
import type { Handle } from "../../messages/index.js";
import { type Listen, printedMetrics, readTokenFile, startMetrics } from "../../web/index.js";
import { collect, seconds } from "../arguments.js";
import { withInstance, withUri } from "../session.js";
import { ExitError, printLine, printStyled, say, UsageError } from "../terminal/output.js";
import { isReachableByOthers, listenOf } from "./listen.js";
import { tlsOf, type TlsOptions } from "./tls.js";
import { untilEnded } from "./until-ended.js";

interface MetricsOptions extends TlsOptions {
  readonly uri?: string;
  readonly listen?: Listen;
  readonly tokenFile?: string;
  readonly allowedHost?: readonly string[];
  readonly openmetrics?: boolean;
  /** Seconds. */
  readonly timeout: number;
}

export function command(): Command {
  return withUri(new Command("metrics"))
    .description("print metrics of the instance for Prometheus, or serve them")
    .addOption(
      new Option(
        "--listen <host>",
        "serve GET /metrics at HOST:PORT, 0 for any port, or unix:PATH",
      ).argParser(listenOf),
    )
    .option("--token-file <file>", "file with the bearer token of the reader; optional on a unix socket")
    .option("--tls-cert <file>", "certificate, for addresses that other machines can reach")
    .option("--tls-key <file>", "its key")
    .addOption(
      new Option("--allowed-host <host>", "a further name of this server; may be repeated").argParser(
        collect(String),
      ),
    )
    .option("--openmetrics", "print in the format of OpenMetrics")
    .addOption(
      new Option("--timeout <seconds>", "how long the ranks may take to answer")
        .argParser(seconds)
        .default(5, "5"),
    )
    .addHelpText(
      "after",
      "\nExample:\n  sluice metrics > /var/lib/node_exporter/sluice.prom" +
        "\n  sluice metrics --listen 127.0.0.1:9108 --token-file /etc/sluice/metrics-token",
    )
    .action((options: MetricsOptions) =>
      withInstance(options, (handle) =>
        options.listen === undefined ? print(options, handle) : serve(options, options.listen, handle),
      ),
    );
}

async function print({ openmetrics, timeout }: MetricsOptions, handle: Handle): Promise<void> {
  try {
    const text = await printedMetrics(handle, { isOpen: openmetrics === true, timeoutMs: timeout * 1000 });
    printStyled(text.trimEnd());
  } catch (error) {
    throw new ExitError(1, messageOf(error));
  }
}

async function serve(options: MetricsOptions, listen: Listen, handle: Handle): Promise<void> {
  const { tokenFile, tlsCert, allowedHost = [] } = options;
  if (isReachableByOthers(listen) && (tokenFile === undefined || tlsCert === undefined)) {
    throw new UsageError(
      "an address that other machines can reach needs --token-file, --tls-cert and --tls-key",
    );
  }
  if (listen.kind === "tcp" && tokenFile === undefined) {
    throw new UsageError("an address that every user of this machine can reach needs --token-file");
  }
  const server = await startMetrics({
    ...{ handle, listen, allowedHosts: allowedHost, tls: tlsOf(options) },
    token: tokenFile === undefined ? undefined : readTokenFile(tokenFile),
    log: (text) => say(`sluice metrics: ${text}`),
  });
  try {
    const ended = untilEnded(handle);
    printLine(listen.kind === "unix" ? `unix:${listen.path}` : `${server.url ?? ""}metrics`);
    const end = await ended;
    if (end.kind === "instance") throw new ExitError(1, "the instance has ended");
    process.exitCode = end.status;
  } finally {
    await server.close();
  }
}
