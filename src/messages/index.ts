export { BrokerModule } from "./broker-module.js";
export { channelPair } from "./channels/channel-pair.js";
export { DEFAULT_METHODS } from "./handle/default-handlers.js";
export { connectHandle } from "./connect.js";
export { checkSocketPath, connect, openChannel } from "./connect-local.js";
export { type Limits, watchLimits, withinLimits } from "../processes/index.js";
export { FrameDecoder } from "./wire/decoder.js";
export { encodeMessage, WIRE_LIMITS, type WireLimits } from "./wire/encode.js";
export { Fifo } from "./fifo.js";
export { fields, type Fields, type FieldSpec, requestFields } from "./fields.js";
export { findEntry } from "./entry.js";
export { followEvents } from "./handle/follow-events.js";
export {
  describeLibrary,
  findLibrary,
  findMember,
  type Library,
  LIBRARY_API,
  LIBRARY_MARK,
  type LibraryHost,
  type LibraryModule,
  type ModuleDemands,
} from "./library.js";
export { type ModuleMain, type ModuleOutcome, runModuleMain } from "./module-runtime.js";
export { type PluginDemand, type PluginFunction, pluginFunctions, pluginMain } from "./plugin.js";
export { isHoldable } from "./channels/inbox.js";
export { decodePayload, encodePayload, payloadBytes } from "./wire/payload.js";
export { portChannel } from "./channels/port-channel.js";
export { changeDebugFlags } from "./handle/default-handlers.js";
export { cpuSeconds, resourceUsage } from "./rusage.js";
export { decodeIo, encodeIo, type OutputStream } from "./exec-protocol.js";
export { RemoteCommand, type RemoteCommandOptions, type RemoteEnd } from "./remote-command.js";
export { socketChannel } from "./channels/socket-channel.js";
export { isSubscription, isTopic, methodOf, serviceOf, SubscriptionTable } from "./topic.js";
export { Tally } from "./channels/tally.js";
export type * from "./types.js";
export { FLAG, LOG_LEVELS, MESSAGE_TYPES, MODULE_STATUS, ROLE } from "./types.js";
