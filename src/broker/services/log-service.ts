import { requestError } from "../../errors/index.js";
import type { LogLevel } from "../../messages/index.js";
import type { ServiceDefinition } from "../builtin-service.js";
import { LOG_LEVELS, type LogEntry, type LogRing, parseLogLevel } from "../log/log-ring.js";
import { OpenStreams } from "../open-streams.js";

/** What is kept of one line, in UTF-16 units: many lines are remembered, and their writers have no other limit. */
const LINE_LENGTH = 64 * 1024;

/**
 * The log of this rank.
 * @param append takes a line of a client or module
 */
export function logService(
  ring: LogRing,
  append: (name: string, level: LogLevel, text: string) => void,
): ServiceDefinition {
  const followers = new OpenStreams();
  return {
    name: "log",
    methods: {
      append: (call) => {
        const { level, text } = call.fields({ level: "string", text: "string" });
        const known = parseLogLevel(level);
        if (known === undefined) {
          throw requestError("EINVAL", `no such log level '${level}'; there are ${LOG_LEVELS.join(", ")}`);
        }
        append(call.peer.name, known, shortened(text));
        call.respond();
      },
      dmesg: (call) => {
        const {
          follow,
          new: isNewOnly,
          clear,
        } = call.fields({ follow: "boolean?", new: "boolean?", clear: "boolean?" });
        if (!call.isStreaming) throw requestError("EPROTO", "log.dmesg is a stream");
        if (isNewOnly !== true) for (const entry of ring.entries()) call.respond(entryPayload(entry));
        // In the same turn: no line is lost between the two.
        if (clear === true) ring.clear();
        if (follow === true)
          followers.add(
            call,
            ring.follow((entry) => call.respond(entryPayload(entry))),
          );
        else call.fail("ENODATA");
      },
      clear: (call) => {
        ring.clear();
        call.respond();
      },
      cancel: { allowGuest: true, run: (call) => followers.cancel(call) },
      disconnect: (call) => followers.disconnect(call),
    },
  };
}

function entryPayload({ time, level, name, text }: LogEntry): { [key in keyof LogEntry]: LogEntry[key] } {
  return { time, level, name, text };
}

function shortened(text: string): string {
  if (text.length <= LINE_LENGTH) return text;
  return `${text.slice(0, LINE_LENGTH)}… (${text.length - LINE_LENGTH} more)`;
}
