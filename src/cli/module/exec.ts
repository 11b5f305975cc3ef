import { constants } from "node:os";
import { createInterface } from "node:readline";
import { Command } from "commander";
import { ForegroundModule, type LoneModule, runModule } from "../../broker/index.js";
import { messageOf } from "../../errors/index.js";
import { withInsecure } from "../insecure.js";
import { instanceUri, type UriOption, withUri } from "../session.js";
import { printJson, say } from "../terminal/output.js";
import { parseJson } from "../payload.js";
import { SHIPPED_MODULES } from "../version.js";

interface ModuleExecOptions extends UriOption {
  readonly name?: string;
  readonly exec?: boolean;
  readonly loader?: string;
  readonly insecure?: boolean;
  readonly alone?: boolean;
}

export function command(): Command {
  return withUri(withInsecure(new Command("module-exec")))
    .argument("<path|name>", "a file, or a name on the module path")
    .argument("[args...]", "arguments for the module")
    .passThroughOptions()
    .option("-n, --name <name>", "name of the module")
    .option("--exec", "run the module in its own process")
    .option("--loader <name>", "loader to use")
    .option("--alone", "run the module without an instance, even inside an instance")
    .addHelpText(
      "after",
      "\nInside an instance, or with --uri, the module runs in the foreground as a client of the instance, until it ends or" +
        "\nCtrl-C. The module serves its name without an entry in 'sluice module list'." +
        "\n\nWithout an instance, each line of standard input is a request, METHOD [JSON]; the command prints the response as a line of JSON, or null." +
        "\nAt the end of input the command shuts the module down; the status is 1 if a request or the module failed." +
        "\n\nExample:\n  echo 'ping {\"n\":1}' | sluice module-exec ./motd.mjs greeting=hello",
    )
    .action(moduleExec);
}

async function moduleExec(path: string, args: readonly string[], options: ModuleExecOptions): Promise<void> {
  const { name, exec, loader, insecure } = options;
  const modulePath = [process.env["FLUX_MODULE_PATH"], SHIPPED_MODULES].filter(Boolean).join(":");
  const how = { name, args, exec, loader, insecure, modulePath };
  const uri = options.alone === true ? undefined : instanceUri(options);
  const { signal } = endedBySignal();
  if (uri !== undefined) {
    await runInForeground(await ForegroundModule.start({ path, ...how }, uri), signal);
    return;
  }
  const module = await runModule(path, {
    ...how,
    onLog: (level, text) => say(`${level}: ${text}`),
  });
  try {
    if (signal.aborted) return;
    for await (const line of createInterface({ input: process.stdin, signal })) {
      if (line.trim() !== "") await request(module, line.trim());
    }
  } finally {
    await module.close();
  }
}

/** A second signal ends this process, and the module with it. */
async function runInForeground(module: ForegroundModule, signal: AbortSignal): Promise<void> {
  const stop = (): void => module.stop();
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  // `ended` rejects with the same error.
  const started = module.ready.then(() =>
    say(`sluice-module-exec: ${module.name} runs; Ctrl-C ends the module`),
  );
  started.catch(() => undefined);
  await module.ended;
}

/**
 * The first signal that would end this process aborts it, before anything has to be cleaned up. The second one does
 * end the process.
 */
function endedBySignal(): AbortController {
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => {
      process.exitCode = 128 + constants.signals[signal];
      controller.abort();
    });
  }
  return controller;
}

/** Reports a failed request, and still sends the next one, because a test needs all results. */
async function request({ name, handle }: LoneModule, line: string): Promise<void> {
  const [, method = "", json] = /^(\S+)(?:\s+(.*))?$/.exec(line) ?? [];
  try {
    const response = await handle.rpc(`${name}.${method}`, json === undefined ? undefined : parseJson(json));
    printJson(
      response instanceof Uint8Array
        ? { base64: Buffer.from(response).toString("base64") }
        : (response ?? null),
    );
  } catch (error) {
    say(`sluice-module-exec: ${method}: ${messageOf(error)}`);
    process.exitCode = 1;
  }
}
