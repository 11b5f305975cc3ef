import { type Command, InvalidArgumentError, Option } from "commander";
import { type NatsServers, parseDelay, parseNatsServers } from "../../broker/index.js";
import { messageOf } from "../../errors/index.js";
import { hidePasswords } from "../session.js";
import { UsageError } from "../terminal/output.js";

/** The flags of commands that join ranks over NATS, beside `--overlay` and `--instance`. The last five name files. */
export interface OverlayOptions {
  readonly overlay?: string;
  readonly instance?: string;
  readonly connectTimeout?: number;
  readonly creds?: string;
  readonly nkey?: string;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

/** The variable for the value of `--overlay`: other users cannot see a password in it. */
const VARIABLE = "SLUICE_OVERLAY";

/** How long the first connection may take. */
const CONNECT_TIMEOUT_MS = 5000;

/** The extra time for which a rank other than 0 keeps trying. */
const FOLLOWER_PATIENCE_MS = 5000;

/** The files that may be named, by flag. */
const FILES = [
  ["creds", "--creds", "file of credentials for the NATS servers"],
  ["nkey", "--nkey", "file with the seed of a key for the NATS servers"],
  ["tlsCa", "--tls-ca", "file with the authorities for the certificates of the servers"],
  ["tlsCert", "--tls-cert", "file with the certificate of this broker"],
  ["tlsKey", "--tls-key", "file with the private key of this broker"],
] as const;

/** Adds the flags of an overlay over hosts (docs/design/hosts.md §1). */
export function withOverlay(command: Command): Command {
  command
    .addOption(
      new Option(
        "--overlay <uri>",
        "NATS servers that join the ranks: nats://HOST:PORT,… or tls://HOST:PORT,…",
      ).env(VARIABLE),
    )
    .option("--instance <name>", "name of the instance, unique on these servers")
    .addOption(
      new Option(
        "--connect-timeout <seconds>",
        "how long the first connection to a server may take, or infinity (default: 5s)",
      ).argParser(delayMs),
    );
  for (const [, flag, what] of FILES) command.option(`${flag} <file>`, what);
  return command;
}

/** The NATS servers over which the ranks of an instance meet, and the options for them. */
export interface OverlayPlace {
  readonly servers: NatsServers;
  readonly connectTimeoutMs: number;
  readonly files: Readonly<Partial<Record<(typeof FILES)[number][0], string>>>;
}

/**
 * The overlay in the flags; undefined for an overlay of one machine.
 * @throws UsageError for flags that exclude each other, or an invalid list of servers
 */
export function overlayPlace(options: OverlayOptions): OverlayPlace | undefined {
  const { overlay, connectTimeout = CONNECT_TIMEOUT_MS } = options;
  if (!overlay) {
    for (const [name, flag] of [["instance", "--instance"], ...FILES] as const) {
      if (options[name] !== undefined) throw new UsageError(`${flag} needs --overlay`);
    }
    return undefined;
  }
  if ((options.tlsCert === undefined) !== (options.tlsKey === undefined)) {
    throw new UsageError("--tls-cert and --tls-key go together");
  }
  const given = FILES.flatMap(([name]) =>
    options[name] === undefined ? [] : [[name, options[name]] as const],
  );
  return { servers: serversOf(overlay), connectTimeoutMs: connectTimeout, files: Object.fromEntries(given) };
}

/**
 * The flags again, for a broker with the same options; {@link overlayVariable} passes the servers on. Ranks other
 * than 0 try for longer, so that rank 0 reports for all that no server can be reached.
 */
export function overlayFlags(options: OverlayOptions, instance: string, rank: number): string[] {
  if (!options.overlay) return [];
  const { connectTimeout = CONNECT_TIMEOUT_MS } = options;
  return [
    `--instance=${instance}`,
    `--connect-timeout=${delayText(connectTimeout + (rank === 0 ? 0 : FOLLOWER_PATIENCE_MS))}`,
    ...FILES.flatMap(([name, flag]) => (options[name] === undefined ? [] : [`${flag}=${options[name]}`])),
  ];
}

/** The environment that gives a broker the servers. */
export function overlayVariable({ overlay }: OverlayOptions): Record<string, string> {
  return overlay ? { [VARIABLE]: overlay } : {};
}

/** Hides the servers from processes that this one starts, and a password from other users of the machine. */
export function hideOverlay(): void {
  delete process.env["SLUICE_OVERLAY"];
  hidePasswords();
}

/** A duration in the form of an option, in milliseconds. */
function delayMs(text: string): number {
  const value = parseDelay(text);
  if (value === undefined)
    throw new InvalidArgumentError("must be seconds, a duration such as 500ms, or infinity.");
  return value;
}

function delayText(ms: number): string {
  return Number.isFinite(ms) ? `${ms}ms` : "infinity";
}

function serversOf(text: string): NatsServers {
  try {
    return parseNatsServers(text);
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}
