import { attributeHint, Broker, type LogEntry, type LogFile, type Overlay } from "../../broker/index.js";
import { indentLines, isErrno, SluiceError } from "../../errors/index.js";
import { checkConfig } from "../../instance/check-config.js";
import type { ThreadLoader } from "../../loaders/index.js";
import { configInputs, configPathAttribute } from "../config-inputs.js";
import { ExitError, say, sayError } from "../terminal/output.js";
import { SHIPPED_MODULES } from "../version.js";
import { reloadedConfig, startConfig } from "./broker-config.js";
import { brokerPrefix } from "./broker-phases.js";
import type { BrokerCommandOptions, BrokerPlace } from "./broker-place.js";
import type { Stops } from "./broker-stops.js";
import { withOwnCommand } from "./command-path.js";
import { filesAttributes } from "./files-option.js";
import { MODULES_ATTRIBUTE } from "./modules-option.js";

interface BrokerStartOptions {
  readonly place: BrokerPlace;
  readonly overlay: Overlay | undefined;
  readonly options: BrokerCommandOptions;
  readonly logFile: LogFile | undefined;
  readonly isSupervised: boolean;
  readonly stops: Stops;
  readonly socketFd: number | undefined;
  /** Where modules in JavaScript run. */
  readonly threads: ThreadLoader;
  readonly onReload: (isUnderWay: boolean) => void;
}

/**
 * Starts a broker by its options.
 * @throws ExitError after the messages about the problems
 */
export async function startBroker(starting: BrokerStartOptions): Promise<Broker> {
  const { place, overlay, options, logFile, isSupervised, stops, socketFd, threads, onReload } = starting;
  const prefix = brokerPrefix(place);
  // All ranks of one start have the same flags, so that one rank may report their problems for all.
  const isQuiet = isSupervised && place.rank > 0;
  if (!isQuiet) warnOfAttributes(options, prefix);
  try {
    return await Broker.start({
      overlay,
      attributes: {
        // The host of the other broker has no files of this one.
        ...(options.standby === true && !isPlaced(options) && { "content.backing-module": "content-nats" }),
        ...(place.isSuccessor === true && { "overlay.successor": "1" }),
        ...Object.fromEntries(options.setattr ?? []),
        ...configPathAttribute(options),
        "instance-id": place.instanceId,
        ...(options.modules !== undefined && { [MODULES_ATTRIBUTE]: options.modules }),
        ...filesAttributes(options),
        ...(place.servers !== undefined && { "overlay.nats": place.servers }),
      },
      config: place.configuration?.table ?? (await startConfig(options, isQuiet ? undefined : prefix)),
      readConfig: configInputs(options).length === 0 ? undefined : () => reloadedConfig(options),
      checkConfig,
      modulePath: [process.env["FLUX_MODULE_PATH"], SHIPPED_MODULES].filter(Boolean).join(":"),
      loaders: [threads],
      rundir: place.rundir,
      ...{ socketFd, onReload },
      onStderr: (entry) => printLog(entry, place),
      onLog: (entry) => logFile?.write(entry),
      onProgramLine: (entry) => logFile?.write(entry),
      insecure: options.insecure,
      rejoin: options.rejoin,
      env: withOwnCommand(process.env, process.argv[1]),
    });
  } catch (error) {
    if (stops.status !== undefined && isErrno(error, "ECANCELED")) throw new ExitError(stops.status);
    if (!(error instanceof ExitError) && !(isQuiet && isSharedMistake(error))) sayError(error, prefix);
    throw new ExitError(1);
  }
}

/** Whether the operator has chosen the place of the store. */
function isPlaced({ setattr = [] }: BrokerCommandOptions): boolean {
  return setattr.some(([name]) => name === "statedir" || name === "content.backing-module");
}

/** Warns of a name that is nearly the name of an attribute. */
function warnOfAttributes({ setattr = [] }: BrokerCommandOptions, prefix: string): void {
  for (const [name, value] of setattr) {
    const hint = attributeHint(name);
    if (hint !== undefined)
      say(`${prefix}: warning: flag -S ${name}=${value}: no attribute ${name} is known; ${hint}`);
  }
}

/** A wrong attribute. */
function isSharedMistake(error: unknown): boolean {
  return error instanceof SluiceError && error.code === "BROKER_REQUEST";
}

function printLog({ name, level, text }: LogEntry, { rank, size }: BrokerPlace): void {
  const source = size === 1 ? `${name}.${level}` : `${name}.${level}[${rank}]`;
  say(`${source}: ${indentLines(text)}`, level);
}
