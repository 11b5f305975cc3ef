import { isName } from "../names.js";
import type { Path } from "../source.js";
import {
  isTable,
  type ProcessFile,
  readEnvironment,
  scalarText,
  type Table,
  variableText,
} from "./process-compose-values.js";
import { type FragmentValue, NO_KEY, type SourceKey, type UnitSketch } from "./sketch.js";

/** The policies after the end of a unit, by `availability.restart`. */
const RESTARTS: Readonly<Record<string, readonly [onFailure: string, onExit: string]>> = {
  no: ["log", "log"],
  false: ["log", "log"],
  on_failure: ["restart", "log"],
  always: ["restart", "restart"],
  exit_on_failure: ["panic", "log"],
};

/** Numbers of signals on Linux, for `shutdown.signal`. */
const SIGNALS: Readonly<Record<number, string>> = {
  1: "SIGHUP",
  2: "SIGINT",
  3: "SIGQUIT",
  6: "SIGABRT",
  9: "SIGKILL",
  10: "SIGUSR1",
  12: "SIGUSR2",
  15: "SIGTERM",
};

interface Surroundings {
  readonly shell: readonly string[] | undefined;
  readonly tables: Table;
  readonly units: ReadonlyMap<string, UnitSketch>;
}

/** One process. */
export class ProcessReader {
  readonly #file: ProcessFile;
  readonly #unit: UnitSketch;
  readonly #path: Path;
  readonly #around: Surroundings;

  constructor(file: ProcessFile, unit: UnitSketch, path: Path, around: Surroundings) {
    this.#file = file;
    this.#unit = unit;
    this.#path = path;
    this.#around = around;
  }

  read(body: Table): void {
    const unit = this.#unit;
    const isTask = this.#isCompleted();
    if (isTask) {
      unit.kind = "task";
      unit.setByRule("runlevels", ["rc1"], "other units wait for this task");
      for (const key of ["environment", "environment-file"]) {
        const known = unit.keys.get(key);
        for (const each of known?.from ?? []) unit.lose(each, "a task has no such key");
        // The source has no key for the file that process-compose reads by its own rule.
        if (known?.from.length === 0) unit.lose(unit.source, "environment from .env: a task has no such key");
        unit.keys.delete(key);
      }
    }
    this.#command(body);
    for (const [key, value] of Object.entries(body)) {
      const at = this.#file.at([...this.#path, key]);
      const isFor = isTask && MODULE_KEYS.has(key);
      if (key === "command" || key === "entrypoint" || key === "is_daemon") continue;
      if (isFor) this.#lose([key], value, "a task has no such key");
      else if (key === "description") this.#text("description", key, value);
      else if (key === "working_dir") this.#text("directory", key, value);
      else if (key === "log_location") this.#text("output", key, value);
      else if (key === "namespace") this.#namespace(key, value);
      else if (key === "environment" && Array.isArray(value)) {
        readEnvironment(this.#file, unit, [...this.#path, key], value);
      } else if (key === "disabled" && typeof value === "boolean") unit.set("disabled", value, at);
      else if (key === "depends_on" && isTable(value)) this.#dependencies(value);
      else if (key === "readiness_probe" && isTable(value)) this.#probe("ready", key, value);
      else if (key === "liveness_probe" && isTable(value)) this.#probe("alive", key, value);
      else if (key === "ready_log_line") this.#logLine(key, value);
      else if (key === "shutdown" && isTable(value)) this.#shutdown(value);
      else if (key === "availability" && isTable(value)) this.#availability(value);
      else if (isNothing(key, value)) unit.say(at, "as here");
      else this.#lose([key], value, NO_KEY);
    }
    if (!isTask) this.#end(isTable(body["availability"]) ? body["availability"] : {});
  }

  #lose(path: Path, value: unknown, why: string): void {
    this.#file.loseAll([...this.#path, ...path], value, why, (key, reason) => this.#unit.lose(key, reason));
  }

  #at(...path: Path): SourceKey {
    return this.#file.at([...this.#path, ...path]);
  }

  /** Whether another process waits for it to have ended with status 0. */
  #isCompleted(): boolean {
    const own = this.#path.at(-1);
    return Object.values(this.#around.tables).some((body) => {
      const depends = isTable(body) ? body["depends_on"] : undefined;
      const on =
        isTable(depends) && typeof own === "string" && Object.hasOwn(depends, own) ? depends[own] : undefined;
      return isTable(on) && on["condition"] === "process_completed_successfully";
    });
  }

  #command(body: Table): void {
    const unit = this.#unit;
    const key = Object.hasOwn(body, "entrypoint") ? "entrypoint" : "command";
    const at = Object.hasOwn(body, key) ? this.#at(key) : unit.source;
    if (key === "entrypoint" && Object.hasOwn(body, "command"))
      this.#lose(["command"], body["command"], "entrypoint wins");
    const { is_daemon: isDaemon } = body;
    if (isDaemon !== undefined && isDaemon !== false) {
      unit.lose(this.#at("is_daemon"), "the main process of a program in the background is unknown");
      unit.disable(at, "use the option that keeps the program in the foreground");
      return;
    }
    if (isDaemon === false) unit.say(this.#at("is_daemon"), "as here");
    const written = body[key];
    if (Array.isArray(written)) {
      const words = written.map((word) => this.#file.plainText(word));
      if (words.length > 0 && words.every((word) => word !== undefined)) unit.set("command", words, at);
      else unit.disable(at, "needs a variable");
      return;
    }
    const line = this.#file.plainText(written);
    if (written === undefined) unit.disable(at, "the command is missing");
    else if (line === undefined || line.trim() === "") unit.disable(at, variableText(written));
    else unit.set("command", this.#shellLine(line), at);
  }

  #shellLine(line: string): FragmentValue {
    return this.#around.shell === undefined ? line : [...this.#around.shell, line];
  }

  #text(key: string, from: string, value: unknown): void {
    const text = this.#file.plainText(value);
    if (text === undefined || text === "") this.#lose([from], value, variableText(value));
    else this.#unit.set(key, text, this.#at(from));
  }

  /** `process-compose up -n NAME` is `start --group NAME`. */
  #namespace(key: string, value: unknown): void {
    const name = this.#file.plainText(value);
    if (name === undefined) this.#lose([key], value, variableText(value));
    else if (isName(name)) this.#unit.set("groups", [name], this.#at(key));
    else this.#lose([key], value, "invalid name of a group");
  }

  #dependencies(depends: Table): void {
    const unit = this.#unit;
    unit.say(this.#at("depends_on"), "see each environment file");
    for (const [name, how] of Object.entries(depends)) {
      const path = ["depends_on", name];
      const condition = isTable(how) ? how["condition"] : undefined;
      const on = this.#around.units.get(name);
      const why = on === undefined ? `unknown process ${name}` : this.#whyNot(name, condition);
      if (on === undefined || why !== undefined) {
        this.#lose(path, how, why ?? NO_KEY);
        continue;
      }
      unit.append("requires", [on.name], this.#at(...path));
      unit.append("after", [on.name], this.#at(...path, "condition"));
      for (const key of Object.keys(isTable(how) ? how : {})) {
        if (key !== "condition") this.#lose([...path, key], (how as Table)[key], NO_KEY);
      }
    }
  }

  /** Why the importer cannot translate a condition. */
  #whyNot(name: string, condition: unknown): string | undefined {
    const body = this.#around.tables[name];
    const has = (key: string): boolean => isTable(body) && body[key] !== undefined;
    switch (condition) {
      case "process_completed_successfully":
        return undefined;
      case "process_healthy":
        return has("readiness_probe") ? undefined : `${name} has no readiness_probe`;
      case "process_log_ready":
        return has("ready_log_line") ? undefined : `${name} has no ready_log_line`;
      case "process_completed":
        return "a failure of the process fails the unit";
      default:
        return "a unit waits until another is ready, not until it starts";
    }
  }

  #probe(key: "ready" | "alive", from: string, probe: Table): void {
    const unit = this.#unit;
    const [ask, askFrom] = this.#question(from, probe);
    if (ask === undefined) {
      this.#lose([from], probe, "exec.command, or http_get with a port");
      return;
    }
    const value: Record<string, FragmentValue> = { ...ask, interval: "10s", timeout: "1s" };
    if (key === "alive") value["failures"] = 3;
    const sources: SourceKey[] = [this.#at(from), ...askFrom];
    for (const [each, given] of Object.entries(probe)) {
      const name = PROBE_TIMES[each];
      const isWhole = typeof given === "number" && Number.isInteger(given) && given > 0;
      if (each === "exec" || each === "http_get") continue;
      if (name !== undefined && isWhole) {
        value[name] = `${given}s`;
        sources.push(this.#at(from, each));
      } else if (each === "failure_threshold" && key === "alive" && isWhole) {
        value["failures"] = given;
        sources.push(this.#at(from, each));
      } else if (each === "success_threshold" && given === 1) unit.say(this.#at(from, each), "as here");
      else if (each === "initial_delay_seconds" && given === 0) unit.say(this.#at(from, each), "as here");
      else this.#lose([from, each], given, NO_KEY);
    }
    unit.setByRule(key, value, "the default of process-compose", ...sources);
  }

  /** The target of a probe. */
  #question(from: string, probe: Table): [ask: Record<string, FragmentValue> | undefined, from: SourceKey[]] {
    const { exec, http_get: http } = probe;
    if (isTable(exec) && http === undefined) {
      const line = this.#file.plainText(exec["command"]);
      if (line === undefined) return [undefined, []];
      this.#loseOthers([from, "exec"], exec, ["command"]);
      return [
        { command: this.#shellLine(line) },
        [this.#at(from, "exec"), this.#at(from, "exec", "command")],
      ];
    }
    if (!isTable(http) || exec !== undefined) return [undefined, []];
    const part = (key: string, other: string): string | undefined => {
      const value = http[key] ?? other;
      return typeof value === "number" ? String(value) : this.#file.plainText(value);
    };
    const [scheme, host, path] = [part("scheme", "http"), part("host", "127.0.0.1"), part("path", "/")];
    const port = part("port", part("num_port", "") ?? "");
    const status = part("status_code", "200");
    if (scheme === undefined || host === undefined || path === undefined || status === undefined)
      return [undefined, []];
    if (port === undefined || !/^\d+$/.test(port) || !/^\d{3}$/.test(status)) return [undefined, []];
    const url = `${scheme.toLowerCase()}://${host}:${port}${path.startsWith("/") ? "" : "/"}${path}`;
    if (!URL.canParse(url) || !/^https?:/.test(url)) return [undefined, []];
    const known = ["scheme", "host", "path", "port", "num_port", "status_code"];
    this.#loseOthers([from, "http_get"], http, known);
    const at = known.filter((key) => Object.hasOwn(http, key)).map((key) => this.#at(from, "http_get", key));
    return [{ http: url, status }, [this.#at(from, "http_get"), ...at]];
  }

  #loseOthers(path: Path, table: Table, known: readonly string[]): void {
    for (const [key, value] of Object.entries(table)) {
      if (!known.includes(key)) this.#lose([...path, key], value, NO_KEY);
    }
  }

  /** process-compose looks for the text anywhere in a line. Here it is a regular expression. */
  #logLine(key: string, value: unknown): void {
    const line = this.#file.plainText(value);
    if (line === undefined || line === "") this.#lose([key], value, variableText(value));
    else if (this.#unit.keys.has("ready")) this.#lose([key], value, "see readiness_probe");
    else this.#unit.set("ready", { log: line.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&") }, this.#at(key));
  }

  #shutdown(shutdown: Table): void {
    const unit = this.#unit;
    const stop: Record<string, FragmentValue> = { signal: "SIGTERM", timeout: "10s", to: "group" };
    const from = [this.#at("shutdown")];
    for (const [key, value] of Object.entries(shutdown)) {
      const at = this.#at("shutdown", key);
      const signal = typeof value === "number" ? SIGNALS[value] : undefined;
      const line = key === "command" ? this.#file.plainText(value) : undefined;
      if (key === "signal" && signal !== undefined) stop["signal"] = signal;
      else if (key === "timeout_seconds" && typeof value === "number" && value > 0)
        stop["timeout"] = `${value}s`;
      else if (key === "parent_only" && typeof value === "boolean") stop["to"] = value ? "main" : "group";
      else if (line !== undefined && line !== "") stop["command"] = this.#shellLine(line);
      else {
        this.#lose(["shutdown", key], value, key === "command" ? variableText(value) : NO_KEY);
        continue;
      }
      from.push(at);
    }
    if (stop["command"] !== undefined) delete stop["signal"];
    unit.setByRule("stop", stop, "the default of process-compose", ...from);
  }

  #availability(availability: Table): void {
    this.#unit.say(this.#at("availability"), "see on-failure and on-exit");
    for (const [key, value] of Object.entries(availability)) {
      if (key === "restart" && Object.hasOwn(RESTARTS, scalarText(value))) continue;
      if (key === "backoff_seconds" && typeof value === "number" && value >= 0) continue;
      if (key === "max_restarts" && typeof value === "number" && Number.isInteger(value) && value >= 0)
        continue;
      if (key === "exit_on_end" && typeof value === "boolean") continue;
      if (key === "exit_on_skipped" && value === false)
        this.#unit.say(this.#at("availability", key), "as here");
      else this.#lose(["availability", key], value, NO_KEY);
    }
  }

  /** The policies after its end, which the importer always writes out. */
  #end(availability: Table): void {
    const unit = this.#unit;
    const known = (key: string, isKnown: boolean): SourceKey[] =>
      isKnown && Object.hasOwn(availability, key) ? [this.#at("availability", key)] : [];
    const mode = scalarText(availability["restart"] ?? "no");
    const restart = known("restart", Object.hasOwn(RESTARTS, mode));
    const [onFailure, onExit] = RESTARTS[mode] ?? ["log", "log"];
    const exits = availability["exit_on_end"] === true;
    const exit = known("exit_on_end", typeof availability["exit_on_end"] === "boolean");
    const rule = mode === "no" ? "the other processes continue" : `restart: ${mode}`;
    unit.setByRule(
      "on-failure",
      exits ? "panic" : onFailure,
      exits ? "exit_on_end" : rule,
      ...restart,
      ...exit,
    );
    unit.setByRule("on-exit", exits ? "shutdown" : onExit, exits ? "exit_on_end" : rule, ...restart, ...exit);
    const { backoff_seconds: backoff, max_restarts: most } = availability;
    const from = [...known("backoff_seconds", isCount(backoff)), ...known("max_restarts", isCount(most))];
    if (exits || (onFailure !== "restart" && onExit !== "restart")) {
      for (const each of from) unit.lose(each, "the unit has no restart");
      return;
    }
    const delay = isCount(backoff) ? `${backoff}s` : "1s";
    const value = isCount(most) && most > 0 ? { tries: most, within: "infinity" } : { tries: "infinity" };
    unit.setByRule(
      "restart",
      { delay, longest: delay, ...value, then: "log" },
      "the default of process-compose",
      ...from,
    );
  }
}

/** Keys of the probe that become durations. */
const PROBE_TIMES: Readonly<Record<string, string | undefined>> = {
  period_seconds: "interval",
  timeout_seconds: "timeout",
};

/** Keys that only a module can have in a unit file. */
const MODULE_KEYS = new Set([
  "environment",
  "working_dir",
  "log_location",
  "readiness_probe",
  "liveness_probe",
  "ready_log_line",
  "shutdown",
  "availability",
]);

/** Keys without effect: options that are off, and a count of one. */
function isNothing(key: string, value: unknown): boolean {
  return value === false ? /^(?:is|disable)_/.test(key) : key === "replicas" && value === 1;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0;
}
