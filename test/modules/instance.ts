import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, isAbsolute, join } from "node:path";
import { connect } from "@nats-io/transport-node";
import { afterAll } from "vitest";
import { Broker, type LogEntry, type Overlay } from "../../src/broker/index.js";

import { requestError } from "../../src/errors/index.js";
import type { ModuleExit, ModuleLoader } from "../../src/loaders/index.js";
import {
  channelPair,
  type Event,
  fields,
  findEntry,
  type Handle,
  type JsonValue,
  type Payload,
  runModuleMain,
} from "../../src/messages/index.js";

import { JetStream, parseNatsServers } from "../../src/nats/index.js";
import { type NatsServer, startNats } from "../helpers/nats.js";

const SOURCE = new URL("../../src/modules/", import.meta.url);

/** Runs the sources of the shipped modules in this thread: what they do is the same, and a test sees into it. */
const inThisThread: ModuleLoader = {
  name: "in-this-thread",
  suffixes: [".ts"],
  start: ({ path }) => {
    const [channel, theirs] = channelPair();
    const exited = runModuleMain(theirs, async () => {
      const exports: unknown = await import(path);
      return findEntry(exports, path);
    }).then((outcome): ModuleExit => (outcome.kind === "ok" ? { kind: "ok" } : outcome));
    return Promise.resolve({
      channel,
      exited,
      terminate: async () => {
        theirs.close();
        await exited;
      },
    });
  },
};

/** The shipped providers of `content-backing`. */
export const PROVIDERS = ["content-sqlite", "content-files", "content-nats"] as const;
export type Provider = (typeof PROVIDERS)[number];

/** What an instance needs for a provider; for one of them a server, which ends with the tests of the file. */
export async function attributesFor(provider: string): Promise<Readonly<Record<string, string>>> {
  if (provider !== "content-nats") return {};
  nats ??= startNats({ jetStream: true });
  const { url } = await nats;
  return { "overlay.nats": url };
}

/** Writes other bytes over a value of the bucket of a store, whose statedir this is. */
export async function overwriteInBucket(
  statedir: string,
  keyOf: (read: (key: string) => Promise<Buffer>) => Promise<string>,
  bytes: string,
): Promise<void> {
  const { addresses } = parseNatsServers((await attributesFor("content-nats"))["overlay.nats"] ?? "");
  const connection = await connect({ servers: [...addresses] });
  const { instance } = JSON.parse(await readFile(join(statedir, "instance.json"), "utf8")) as {
    instance: string;
  };
  const bucket = `sluice-${instance}-content`;
  const jetStream = new JetStream(() => connection, 5000);
  const read = async (key: string): Promise<Buffer> =>
    (await jetStream.read(bucket, key))?.value ?? Buffer.alloc(0);
  const key = await keyOf(read);
  const { keys } = await jetStream.keys(bucket);
  await jetStream.write(bucket, keys.find((one) => one.includes(key)) ?? key, Buffer.from(bytes));
  await connection.close();
}

let nats: Promise<NatsServer> | undefined;
afterAll(async () => {
  await (await nats)?.kill();
  nats = undefined;
});

export interface InstanceOptions {
  readonly statedir?: string;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly overlay?: Overlay;
}

/** A broker with what a test asks of it. */
export class Instance {
  readonly broker: Broker;
  readonly handle: Handle;
  readonly log: readonly LogEntry[];
  readonly #logListeners: Set<() => void>;

  private constructor(broker: Broker, handle: Handle, log: LogEntry[], listeners: Set<() => void>) {
    this.broker = broker;
    this.handle = handle;
    this.log = log;
    this.#logListeners = listeners;
  }

  static async start({ statedir, attributes, overlay }: InstanceOptions = {}): Promise<Instance> {
    const log: LogEntry[] = [];
    const listeners = new Set<() => void>();
    const broker = await Broker.start({
      socket: false,
      overlay,
      attributes: { ...attributes, ...(statedir !== undefined && { statedir }) },
      onLog: (entry) => {
        log.push(entry);
        for (const listener of listeners) listener();
      },
      findModule: ({ path }) => {
        const file = isAbsolute(path) ? path : new URL(`${path}.ts`, SOURCE).pathname;
        if (!existsSync(file)) throw requestError("ENOENT", `${path}: module not found in search path`);
        return Promise.resolve({ path: file, name: basename(path, ".ts"), loader: inThisThread });
      },
    });
    return new Instance(broker, await broker.connect(), log, listeners);
  }

  /** Loads modules one after the other: `name`, or `[name, ...args]`. */
  async load(...modules: readonly (string | readonly [string, ...string[]])[]): Promise<void> {
    for (const module of modules) {
      const [path, ...args] = typeof module === "string" ? [module] : module;
      await this.handle.rpc("module.load", { path, args });
    }
  }

  async remove(...names: readonly string[]): Promise<void> {
    for (const name of names) await this.handle.rpc("module.remove", { name });
  }

  async rpc(topic: string, payload?: Payload): Promise<Payload> {
    return await this.handle.rpc(topic, payload);
  }

  async store(bytes: Uint8Array | string, service = "content"): Promise<string> {
    return fields(await this.rpc(`${service}.store`, Buffer.from(bytes)), { ref: "string" }).ref;
  }

  async blob(ref: string, service = "content"): Promise<Buffer> {
    const bytes = await this.rpc(`${service}.load`, { ref });
    return bytes instanceof Uint8Array ? Buffer.from(bytes) : Buffer.alloc(0);
  }

  async put(key: string, value: JsonValue): Promise<number> {
    return await this.commit([{ key, value }]);
  }

  async commit(ops: JsonValue): Promise<number> {
    return fields(await this.rpc("kvs.commit", { ops }), { version: "integer" }).version;
  }

  async get(key: string): Promise<JsonValue> {
    return fields(await this.rpc("kvs.get", { key }), { value: "json" }).value;
  }

  /** Collects the events of a topic. */
  async events(topic: string): Promise<Collected<Event>> {
    const collected = new Collected<Event>();
    await this.handle.subscribe(topic, (event) => collected.add(event));
    return collected;
  }

  /** Resolves to the first line of the log that matches, once there is one. */
  async logged(matches: (entry: LogEntry) => boolean): Promise<LogEntry> {
    return await new Promise((resolve) => {
      const look = (): void => {
        const found = this.log.find(matches);
        if (found === undefined) return;
        this.#logListeners.delete(look);
        resolve(found);
      };
      this.#logListeners.add(look);
      look();
    });
  }

  /** Removes the modules, the latest first, and ends the broker. */
  async close(): Promise<void> {
    const { modules } = fields(await this.rpc("module.list"), { modules: "array" });
    const names = modules.map((module) => fields(module, { name: "string" }).name);
    await this.remove(...names.reverse());
    await this.handle.close();
    await this.broker.close();
  }

  /** Ends the broker as it is: modules are cut off. */
  async crash(): Promise<void> {
    await this.handle.close();
    await this.broker.close();
  }
}

/** What has come so far, and waiting for more of it. */
export class Collected<T> {
  readonly items: T[] = [];
  #resume: (() => void) | undefined;

  add(item: T): void {
    this.items.push(item);
    this.#resume?.();
  }

  /** Resolves when there are so many. */
  async atLeast(count: number): Promise<readonly T[]> {
    while (this.items.length < count) await new Promise<void>((resolve) => (this.#resume = resolve));
    return this.items;
  }
}

/** Calls back with a fresh directory that is gone afterwards. */
export async function withDirectory<T>(use: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "sluice-modules-"));
  try {
    return await use(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** Calls back with an instance that is closed afterwards. */
export async function withInstance<T>(
  options: InstanceOptions,
  use: (instance: Instance) => Promise<T>,
): Promise<T> {
  const instance = await Instance.start(options);
  try {
    return await use(instance);
  } finally {
    await instance.close();
  }
}
