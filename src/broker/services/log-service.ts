import { requestError } from "../../errors/index.js";
import { type JsonValue, LOG_LEVELS, type LogLevel } from "../../messages/index.js";
import type { ServiceDefinition } from "../builtin-service.js";
import { type LogEntry, type LogRing, parseLogLevel } from "../log/log-ring.js";
import type { ProgramLine, ProgramLogs } from "../log/program-logs.js";
import { OpenStreams } from "../open-streams.js";

/**
 * The limit of one line, in UTF-16 units, because the log keeps many lines, and their writers have no other limit.
 */
const LINE_LENGTH = 64 * 1024;

/** The dependencies of the log service. */
interface LogServiceOptions {
  readonly ring: LogRing;
  /** The output of programs. */
  readonly programs: ProgramLogs;
  /** Takes a line of a client or module. */
  readonly append: (name: string, level: LogLevel, text: string) => void;
}

/** The log of this rank, and the output of its programs. */
export function logService({ ring, programs, append }: LogServiceOptions): ServiceDefinition {
  const followers = new OpenStreams();
  return {
    name: "log",
    methods: {
      append: (call) => {
        const { level, text } = call.fields({ level: "string", text: "string" });
        const known = parseLogLevel(level);
        if (known === undefined) {
          throw requestError(
            "EINVAL",
            `no such log level '${level}'; valid levels: ${LOG_LEVELS.join(", ")}`,
          );
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
        call.requireStreaming();
        if (isNewOnly !== true) for (const entry of ring.entries()) call.respond(entryPayload(entry));
        // All of this runs in one turn of the loop, so that no line is lost in between.
        if (clear === true) ring.clear();
        if (follow === true)
          followers.add(
            call,
            ring.follow((entry) => call.respond(entryPayload(entry))),
          );
        else call.fail("ENODATA");
      },
      output: (call) => {
        const { units, lines = Infinity, since = -Infinity, follow } = call.fields(OUTPUT);
        call.requireStreaming();
        const unknown = units?.find((unit) => !programs.has(unit));
        if (unknown !== undefined && follow !== true) {
          throw requestError(
            "ENOENT",
            `${unknown}: no started program and no task with output has this name`,
          );
        }
        const kept = programs.lines(units).filter(({ time }) => time >= since);
        for (const line of kept.slice(Math.max(0, kept.length - lines))) call.respond(linePayload(line));
        if (follow !== true) call.fail("ENODATA");
        else {
          const send = (line: ProgramLine): void => {
            if (units === undefined || units.includes(line.unit)) call.respond(linePayload(line));
          };
          followers.add(call, programs.follow(send));
        }
      },
      programs: (call) => call.respond({ programs: programs.sizes().map((size) => ({ ...size })) }),
      clear: (call) => {
        ring.clear();
        call.respond();
      },
      cancel: { allowGuest: true, run: (call) => followers.cancel(call) },
      disconnect: (call) => followers.disconnect(call),
    },
  };
}

const OUTPUT = { units: "string[]?", lines: "integer?", since: "number?", follow: "boolean?" } as const;

function linePayload(line: ProgramLine): JsonValue {
  const { time, unit, stream, text, part, hasMore, leftOutBytes, isTask } = line;
  return {
    ...{ time, unit, stream, text },
    ...(isTask === true && { task: true }),
    ...(part === undefined ? {} : { part, more: hasMore === true }),
    ...(leftOutBytes === undefined ? {} : { leftOutBytes }),
  };
}

function entryPayload({ time, level, name, text }: LogEntry): { [key in keyof LogEntry]: LogEntry[key] } {
  return { time, level, name, text };
}

function shortened(text: string): string {
  if (text.length <= LINE_LENGTH) return text;
  return `${text.slice(0, LINE_LENGTH)}… (${text.length - LINE_LENGTH} more)`;
}
