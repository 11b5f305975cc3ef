import { requestError } from "../../errors/index.js";
import type { OutputStream } from "../../messages/index.js";
import type { ServiceDefinition } from "../builtin-service.js";
import type { ExecTable } from "../exec/exec-table.js";

const RUN = {
  command: "string[]",
  cwd: "string?",
  env: "object?",
  stdin: "boolean?",
  window: "integer?",
} as const;

const WRITE = { id: "integer", data: "string?", encoding: "string?", eof: "boolean?" } as const;

/** The highest number of a signal on Linux. */
const LAST_SIGNAL = 64;

/** Commands that this rank runs for the owner of the instance. */
export function execService(commands: ExecTable): ServiceDefinition {
  return {
    name: "exec",
    methods: {
      run: async (call) => {
        const request = call.fields(RUN);
        call.requireStreaming();
        await commands.run(call, request);
      },
      write: (call) => {
        const { id, ...io } = call.fields(WRITE);
        commands.write(call, id, io);
      },
      credit: (call) => {
        const { id, stream, bytes } = call.fields({ id: "integer", stream: "string", bytes: "integer" });
        if (bytes < 0) throw requestError("EINVAL", "bytes must not be negative");
        commands.acknowledge(id, outputStream(stream), bytes);
        call.respond();
      },
      kill: (call) => {
        const { id, signum } = call.fields({ id: "integer", signum: "integer" });
        if (signum < 1 || signum > LAST_SIGNAL) throw requestError("EINVAL", `invalid signal ${signum}`);
        commands.kill(id, signum);
        call.respond();
      },
      list: (call) => call.respond({ commands: commands.list() }),
      cancel: { allowGuest: true, run: (call) => commands.cancel(call) },
      disconnect: (call) => commands.disconnect(call),
    },
  };
}

function outputStream(name: string): OutputStream {
  if (name === "stdout" || name === "stderr") return name;
  throw requestError("EINVAL", `no such stream '${name}'; valid streams: stdout, stderr`);
}
