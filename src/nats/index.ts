export { clientOf } from "./instance-address.js";
export type { NatsConnectOptions } from "./connect-nats.js";
export type { NatsCredentials } from "./credentials.js";
export { LastingConnection } from "./lasting-connection.js";
export {
  type BucketKeys,
  JETSTREAM_INFO,
  JetStream,
  JetStreamError,
  MissingRightError,
  type Stored,
  NO_CLUSTER,
  WRONG_LAST_SEQUENCE,
} from "./jet-stream.js";
export { Link } from "./link.js";
export { formatFrame, type LinkFrame, parseFrame, UNKNOWN } from "./link-frame.js";
export { checkInstanceName, formatNatsServers, type NatsServers, parseNatsServers } from "./servers.js";
