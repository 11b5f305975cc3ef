import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { Command, Option } from "commander";
import { messageOf } from "../../errors/index.js";
import type { Handle } from "../../messages/index.js";
import { startProcess } from "../../processes/index.js";
import { type Listen, readTokenFile, startWeb, Token } from "../../web/index.js";
import { collect, seconds } from "../arguments.js";
import { type FactOptions, withFacts } from "../facts.js";
import { realFiles } from "../instance/files-option.js";
import { type UnitOptions, withUnitOptions } from "../modprobe/units.js";
import { instanceUri, namedOrOnlyInstance, withConnection } from "../session.js";
import { ExitError, printLine, say, UsageError } from "../terminal/output.js";
import { linesOf, lookAtWaits } from "../wait-reports.js";
import { VERSION } from "../version.js";
import { basePathOf, isReachableByOthers, listenOf } from "./listen.js";
import { planArgsOf, runArgsOf, unitArgsOf } from "./page-args.js";
import { tlsOf, type TlsOptions } from "./tls.js";
import { untilEnded } from "./until-ended.js";

interface WebCommandOptions extends FactOptions, UnitOptions, TlsOptions {
  readonly listen: Listen;
  readonly readOnly?: boolean;
  readonly open?: boolean;
  readonly tokenFile?: string;
  readonly metricsTokenFile?: string;
  readonly allowedHost?: readonly string[];
  readonly basePath: string;
  readonly statedir?: string;
  /** Seconds. */
  readonly interval: number;
}

export function command(): Command {
  return withUnitOptions(withFacts(new Command("web")))
    .addOption(
      new Option("--listen <host>", "HOST:PORT, 0 for any port, or unix:PATH")
        .argParser(listenOf)
        .default(listenOf("127.0.0.1:0"), "127.0.0.1:0"),
    )
    .option("--read-only", "the page has no actions")
    .option("--open", "open the page in a browser")
    .option(
      "--token-file <file>",
      "file with the token that opens the page (default: a new token for each start)",
    )
    .option("--metrics-token-file <file>", "file with a token that opens only /metrics")
    .option("--tls-cert <file>", "certificate, for addresses that other machines can reach")
    .option("--tls-key <file>", "its key")
    .addOption(
      new Option("--allowed-host <host>", "a further name of this server; may be repeated").argParser(
        collect(String),
      ),
    )
    .addOption(
      new Option("--base-path <path>", "path under which a proxy serves the page")
        .argParser(basePathOf)
        .default("/"),
    )
    .option("--statedir <dir>", "show the recorded runs of the instance with this statedir")
    .addOption(
      new Option("-i, --interval <seconds>", "time between two updates of queues and rates")
        .argParser(seconds)
        .default(1, "1"),
    )
    .addHelpText(
      "after",
      "\nWithout an instance the page shows the plan and recorded runs. The command ends with Ctrl-C, or with the instance." +
        "\n\nExample:\n  sluice web --open\n  sluice web --file stack.toml --statedir /var/lib/site" +
        "\n  sluice web --listen unix:/run/site/web.sock --read-only",
    )
    .action(web);
}

async function web(options: WebCommandOptions): Promise<void> {
  // Without this check, each request would fail because of a missing file.
  realFiles(options);
  // Files and recorded runs need no instance.
  const isOffline = (options.file ?? options.statedir) !== undefined;
  const uri = isOffline ? instanceUri(options) : await namedOrOnlyInstance(options);
  if (uri === undefined) await serve(options, undefined, undefined);
  else await withConnection(uri, (handle) => serve(options, handle, uri));
}

/** The time between two comments in a stream that has nothing to send. */
const COMMENT_MS = 15_000;

async function serve(
  options: WebCommandOptions,
  handle: Handle | undefined,
  uri: string | undefined,
): Promise<void> {
  const { listen, readOnly = false, basePath, allowedHost = [], metricsTokenFile } = options;
  const tls = tlsOf(options);
  const token = tokenOf(options);
  const server = await startWeb({
    ...{ handle, listen, basePath, readOnly, tls, allowedHosts: allowedHost, version: VERSION },
    token: token?.text,
    metricsToken: metricsTokenFile === undefined ? undefined : readTokenFile(metricsTokenFile),
    planArgs: planArgsOf(options),
    runArgs: runArgsOf(options),
    unitArgs: unitArgsOf(options),
    program: [process.execPath, process.argv[1] ?? ""],
    env: { ...process.env, SLUICE_URI: uri ?? "" },
    pageDirectory: fileURLToPath(new URL("../web/page", import.meta.url)),
    waits: waitsOf,
    periodMs: options.interval * 1000,
    commentMs: COMMENT_MS,
    log: (text) => say(`sluice web: ${text}`),
  });
  try {
    // A reader of the address may end the server at once.
    const ended = untilEnded(handle);
    tellAddress(options, server.url, token);
    const end = await ended;
    if (end.kind === "instance") throw new ExitError(1, "the instance has ended");
    process.exitCode = end.status;
  } finally {
    token?.remove();
    await server.close();
  }
}

/** Above this number, the page only counts waits. */
const MOST_WAITS = 100;

async function waitsOf(handle: Handle): Promise<string[]> {
  const { graph, unreachable } = await lookAtWaits(handle);
  const lines = await linesOf(graph, handle);
  const shown = lines.slice(0, MOST_WAITS);
  if (lines.length > shown.length) shown.push(`${lines.length - shown.length} more`);
  return [...shown, ...unreachable.map(({ rank, reason }) => `rank ${rank}: ${messageOf(reason)}`)];
}

/** A socket that only the owner can open needs no token. */
function tokenOf({ listen, tokenFile, tlsCert }: WebCommandOptions): Token | undefined {
  if (isReachableByOthers(listen) && (tokenFile === undefined || tlsCert === undefined)) {
    throw new UsageError(
      "an address that other machines can reach needs --token-file, --tls-cert and --tls-key",
    );
  }
  if (tokenFile !== undefined) return new Token(readTokenFile(tokenFile));
  return listen.kind === "unix" ? undefined : new Token();
}

/**
 * The token goes to terminals, and to files that only the owner can read. Many people read text that a program
 * collects from pipes.
 */
function tellAddress(options: WebCommandOptions, url: string | undefined, token: Token | undefined): void {
  const { listen, tokenFile, open } = options;
  if (url === undefined) {
    printLine(listen.kind === "unix" ? `unix:${listen.path}` : "");
    return;
  }
  const isShown = process.stdout.isTTY && token !== undefined && tokenFile === undefined;
  printLine(isShown ? token.address(url) : url);
  if (token === undefined) return;
  if (tokenFile !== undefined) say(`sluice web: the token is in ${tokenFile}`);
  const isKnown = isShown || tokenFile !== undefined;
  if (isKnown && open !== true) return;
  const { file, page } = token.write(url, process.env["XDG_RUNTIME_DIR"] || tmpdir());
  if (!isKnown) say(`sluice web: the address with its token is in ${file}`);
  if (open !== true) return;
  const browser = startProcess(process.env["BROWSER"] || "xdg-open", [page], {
    stdio: "ignore",
    detached: true,
  });
  browser.once("error", (error) => say(`sluice web: cannot open the page in a browser: ${error.message}`));
  browser.unref();
}
