import { randomUUID } from "node:crypto";
import { requestError } from "../../errors/index.js";
import type { JsonValue, LogLevel, Welcome } from "../../messages/index.js";
import type { Refs } from "../../processes/index.js";
import type { ProgramLog } from "../../loaders/index.js";
import type { Clock } from "../clock.js";
import type { ModuleEntry } from "./module-entry.js";
import type { MessageTrace } from "../routing/message-trace.js";
import { contentOf, type ModuleFinder } from "./module-finder.js";
import { loadFailure, programLoadFailure } from "./load-failure.js";
import { type ModuleEnd, ModuleInstance } from "./module-instance.js";
import type { ModuleLibraries } from "./module-libraries.js";
import type { Others } from "../../libraries/index.js";
import type { Router } from "../routing/router.js";

/** The part of the broker that the module table uses. */
export interface ModuleHost {
  /** The references that keep this process alive. */
  readonly refs: Refs;
  readonly router: Router;
  readonly clock: Clock;
  readonly trace: MessageTrace;
  readonly find: ModuleFinder;
  readonly libraries: ModuleLibraries;
  /** A 0700 directory for transpiled files. */
  readonly cacheDir: string | undefined;
  /** The environment of modules in processes. */
  environment(): Readonly<Record<string, string>>;
  /** Where a module runs if its unit does not set `thread` (`broker.default-thread`). */
  defaultThread(): string;
  /** The largest payload that modules may send and receive. */
  maxPayloadBytes(): number;
  welcome(module: Pick<Welcome, "name" | "uuid" | "args">): Welcome;
  /** Called for each new run, with the configuration in its welcome. */
  started(name: string, conf: JsonValue): void;
  /** Called at the end of each run. */
  ended(end: ModuleEnd): void;
  /** Publishes an event about a module of this rank. */
  announce(topic: string, module: { readonly name: string; readonly uuid: string }): void;
  log(level: LogLevel, text: string): void;
  /** Whether the broker only logs failures (`broker.module-nopanic`); called at each failure. */
  isPanicOff(): boolean;
  panic(message: string): void;
  /** Requests an orderly end of the instance. */
  shutdown(): void;
  /** The longest wait for a module on this rank, in words; undefined if nothing waits for it. */
  waitingFor(name: string): string | undefined;
  /** The store for the output of a program. */
  programLog(name: string): ProgramLog;
}

interface StartOptions {
  /** The other loaded modules. */
  readonly others: Others;
  /** Another peer holds its services until it runs. */
  readonly isHeld: boolean;
  /** Called as soon as the new run can be cancelled. */
  readonly onStarted: (instance: ModuleInstance) => void;
}

/**
 * Starts a run of a module and resolves when it reports that it runs.
 * @throws SluiceError `ECANCELED` if it was abandoned meanwhile; the loader's error, or the module's own
 */
export async function startInstance(
  host: ModuleHost,
  entry: ModuleEntry,
  { others, isHeld, onStarted }: StartOptions,
): Promise<ModuleInstance> {
  const { name, args, request } = entry;
  entry.file?.verify?.();
  const file = (entry.file ??= await host.find(request));
  if (file.member !== undefined) await admit(host, entry, others);
  const { library } = entry;
  const env = request.kept?.env ?? host.environment();
  entry.started = { env, fileVariables: request.kept?.fileVariables };
  // Reads the file during the start, which does not need the result.
  entry.content = entry.isProgram ? Promise.resolve(undefined) : contentOf(file.path);
  const spec = {
    ...request,
    name,
    uuid: randomUUID(),
    path: file.path,
    args,
    thread: library?.sharedThread ?? request.thread ?? host.defaultThread(),
    log: (level: LogLevel, text: string) => host.log(level, text),
    member: library && { name: library.name, digest: library.digest, kind: library.manifest.kind },
    cacheDir: host.cacheDir,
    env,
    fileVariables: request.kept?.fileVariables,
    onFileVariables: (fileVariables: Readonly<Record<string, string>>) =>
      (entry.started = { env, fileVariables }),
    maxPayloadBytes: host.maxPayloadBytes(),
    programLog: entry.isProgram ? host.programLog(name) : undefined,
  };
  refuseAbandoned(entry);
  if (file.loader.name !== "thread") host.log("info", `module-exec ${name}`);
  const running = await file.loader.start(spec);
  if (entry.isAbandoned) await running.terminate();
  refuseAbandoned(entry);
  const { router, clock, trace } = host;
  const welcome = host.welcome({ name, uuid: spec.uuid, args });
  const instance = new ModuleInstance({ spec, running, welcome, router, clock, trace });
  const release = host.refs.add((isRef) => instance.setRef(isRef));
  void instance.ended.then((end) => {
    release();
    host.ended(end);
  });
  if (!isHeld) router.services.add(name, instance.peer);
  onStarted(instance);
  const end = await instance.ready;
  if (end === undefined) return instance;
  if (end.kind === "failed" && end.detail !== end.message) host.log("notice", `${name}: ${end.detail}`);
  throw entry.isProgram ? programLoadFailure(name, end) : loadFailure(name, file.path, end);
}

/** Verifies the library of a module that comes from one. */
async function admit(host: ModuleHost, entry: ModuleEntry, others: Others): Promise<void> {
  const { file, request } = entry;
  if (file?.member === undefined) return;
  // The first run must have the digest verified with the plan. Later runs may use a changed file.
  const digest = entry.instance === undefined ? request.digest : undefined;
  const asked = { ...request, unit: entry.name };
  entry.library = await host.libraries.admit({ ...file, member: file.member }, asked, { digest, others });
}

function refuseAbandoned(entry: ModuleEntry): void {
  if (entry.isAbandoned) throw requestError("ECANCELED", "load was cancelled");
}
