import type { IncomingMessage, ServerResponse } from "node:http";
import { ACTION_NAMES, actionOf, commandText, isAction, isForAll, isUnitName } from "./actions.js";
import type { CommandResult, Commands } from "./commands.js";
import type { Hub } from "./hub.js";
import type { PageFile } from "./page-files.js";
import { HttpError, readJson, sendJson, sendText } from "./replies.js";

/** The mode of the page, its rights, and its instance. */
export interface Session {
  readonly mode: "live" | "offline";
  readonly readOnly: boolean;
  readonly version: string;
  /** The size of the instance, and the rank that answers. */
  readonly size: number;
  readonly rank: number;
}

export interface RouteOptions {
  readonly session: Session;
  readonly files: ReadonlyMap<string, PageFile>;
  readonly hub: Hub;
  readonly commands: Commands;
  /** Options of `modprobe` for the facts of the plan, and of `analyze` for the choice of the run. */
  readonly planArgs: readonly string[];
  readonly runArgs: readonly string[];
  /** Options of `modprobe` that define the units, for actions. */
  readonly unitArgs: readonly string[];
  /** The text of the metrics, in the format that the requester accepts; undefined without an instance. */
  readonly metrics:
    ((accept: string) => Promise<{ readonly type: string; readonly text: string }>) | undefined;
  readonly log: (text: string) => void;
}

/** The parts of a request. */
export interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
}

type Route = (options: RouteOptions, asked: Asked) => void | Promise<void>;

/** The token that opens a path. */
export type Access = "page" | "token" | "metrics";

const ROUTES: Readonly<Record<string, Readonly<Partial<Record<"GET" | "POST", Route>>>>> = {
  "api/session": {
    GET: ({ session }, { response }) => {
      const actions = session.readOnly || session.mode === "offline" ? [] : ACTION_NAMES;
      sendJson(response, { ...session, actions, actionsOnAll: actions.filter(isForAll) });
    },
  },
  "api/events": {
    GET: ({ hub }, { request, response }) => {
      const last = request.headers["last-event-id"];
      if (hub.open(response, typeof last === "string" ? last : undefined)) return;
      response.setHeader("Retry-After", "5");
      throw new HttpError(503, "too many pages are open; close one");
    },
  },
  "api/plan": {
    GET: async ({ commands, planArgs }, { response }) => {
      const graph = ["modprobe", "graph", ...planArgs];
      const [svg, json] = await Promise.all([
        commands.ask([...graph, "--format=svg"]),
        commands.ask([...graph, "--format=json"]),
      ]);
      sendJson(response, { svg: outputOf(svg), picture: JSON.parse(outputOf(json)) as unknown });
    },
  },
  "api/explain": {
    GET: async ({ commands, planArgs }, { response, query }) => {
      const unit = unitIn(query.get("unit"));
      const { status, stdout, stderr } = await commands.ask(["modprobe", "explain", ...planArgs, "--", unit]);
      sendJson(response, { unit, text: status === 0 ? stdout : stdout + stderr });
    },
  },
  "api/runs": {
    GET: async ({ commands, runArgs }, { response }) => {
      const { status, stdout } = await commands.ask(["modprobe", "analyze", "--list", "--json", ...runArgs]);
      // Before the first run there is no directory of runs yet.
      sendJson(response, { runs: status === 0 ? (JSON.parse(stdout) as unknown) : [] });
    },
  },
  "api/gantt": {
    GET: async ({ commands, runArgs }, { response, query }) => {
      const which = [...runArgs, `--run=${wholeIn(query.get("run"), "run")}`];
      const [svg, chain] = await Promise.all([
        commands.ask(["modprobe", "analyze", "plot", "--format=svg", ...which]),
        commands.ask(["modprobe", "analyze", "critical-chain", ...which]),
      ]);
      sendJson(response, { svg: outputOf(svg), chain: outputOf(chain) });
    },
  },
  "api/what-if": {
    GET: async ({ commands, runArgs }, { response, query }) => {
      const args = ["modprobe", "analyze", "what-if", "--json", ...runArgs];
      args.push(`--run=${wholeIn(query.get("run"), "run")}`);
      if (query.has("jobs")) args.push(`--jobs=${wholeIn(query.get("jobs"), "jobs")}`);
      if (query.has("unit")) {
        const factor = Number(query.get("factor"));
        if (!(factor > 0 && factor <= 1e6))
          throw new HttpError(400, "factor must be above 0 and at most 1000000");
        args.push(`--faster=${unitIn(query.get("unit"))}=${factor}`);
      }
      sendJson(response, JSON.parse(outputOf(await commands.ask(args))));
    },
  },
  "api/actions": { POST: act },
  metrics: {
    GET: async ({ metrics }, { request, response }) => {
      if (metrics === undefined) throw new HttpError(404, "metrics need an instance");
      const { type, text } = await metrics(request.headers.accept ?? "");
      sendText(response, text, { type });
    },
  },
};

/** The access that a path below the base path needs; undefined for an unknown path. */
export function accessTo(path: string, files: RouteOptions["files"]): Access | undefined {
  if (files.has(path)) return "page";
  if (!Object.hasOwn(ROUTES, path)) return undefined;
  return path === "metrics" ? "metrics" : "token";
}

/**
 * Answers a request that has passed the guards.
 * @throws HttpError for a request that cannot be answered
 */
export async function answer(options: RouteOptions, path: string, asked: Asked): Promise<void> {
  const { request, response } = asked;
  const { method } = request;
  const file = options.files.get(path);
  const isGet = method === "GET" || method === "HEAD";
  if (file !== undefined && isGet) {
    sendText(response, file.bytes, { type: file.type });
    return;
  }
  const routes = Object.hasOwn(ROUTES, path) ? ROUTES[path] : undefined;
  const route = method === "GET" || method === "POST" ? routes?.[method] : undefined;
  if (route !== undefined) {
    await route(options, asked);
    return;
  }
  response.setHeader("Allow", file !== undefined ? "GET, HEAD" : Object.keys(routes ?? {}).join(", "));
  throw new HttpError(405, `${method ?? ""} is not possible on this page`);
}

/** Runs the commands of an action, or returns the commands and their dry run. */
async function act({ session, commands, unitArgs, log }: RouteOptions, { request, response }: Asked) {
  if (session.readOnly) throw new HttpError(403, "the page is read-only");
  if (session.mode === "offline") throw new HttpError(409, "the page has no instance");
  const body = (await readJson(request)) as Readonly<Record<string, unknown>>;
  const { action, dryRun, shown } = body;
  if (!isAction(action)) throw new HttpError(400, `no such action; write one of ${ACTION_NAMES.join(", ")}`);
  const unit = body["unit"] === undefined && isForAll(action) ? undefined : unitIn(body["unit"]);
  const setting = { unitArgs, size: session.size };
  const { commands: words, dryRun: trial } = actionOf(action, unit, setting);
  const command = commandText(words);
  const tried = trial !== undefined && (dryRun === true || shown !== undefined);
  const now = tried ? await commands.run(trial) : { status: 0, stdout: "", stderr: "" };
  if (dryRun === true) {
    sendJson(response, { command, ...now });
    return;
  }
  // The user has agreed to the effect shown by the page.
  if (tried && now.stdout !== shown)
    throw new HttpError(
      409,
      "the effect of the action has changed since the page showed it; check the new effect",
    );
  log(`runs ${command}`);
  sendJson(response, { command, ...(await runAll(commands, words)) });
}

/** Runs one command after the other while they succeed. */
async function runAll(commands: Commands, words: readonly (readonly string[])[]): Promise<CommandResult> {
  const results: CommandResult[] = [];
  for (const one of words) {
    const result = await commands.run(one);
    results.push(result);
    if (result.status !== 0) break;
  }
  const text = (of: "stdout" | "stderr"): string => results.map((result) => result[of]).join("");
  return { status: results.at(-1)?.status ?? null, stdout: text("stdout"), stderr: text("stderr") };
}

function outputOf({ status, stdout, stderr }: CommandResult): string {
  if (status === 0) return stdout;
  throw new HttpError(500, stderr.trim() || `the command ended with status ${status ?? "of a signal"}`);
}

function unitIn(text: unknown): string {
  if (isUnitName(text)) return text;
  throw new HttpError(400, "unit must be the name of a unit");
}

function wholeIn(text: string | null, name: string): number {
  const value = Number(text);
  if (text !== null && /^\d+$/.test(text) && value > 0 && Number.isSafeInteger(value)) return value;
  throw new HttpError(400, `${name} must be a whole number above 0`);
}
