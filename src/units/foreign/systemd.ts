import {
  type FragmentValue,
  type ImportedFile,
  NO_KEY,
  type SourceKey,
  unitName,
  UnitSketch,
} from "./sketch.js";
import { type Assignment, bytesOf, durationOf, readAssignments } from "./systemd-file.js";
import { execWords, plainWords, withoutSpecifiers } from "./systemd-words.js";

/** Statuses of sysexits.h and of the LSB that `SuccessExitStatus=` may name; systemd has more of them. */
const STATUSES: Readonly<Record<string, number>> = {
  USAGE: 64,
  DATAERR: 65,
  NOINPUT: 66,
  UNAVAILABLE: 69,
  SOFTWARE: 70,
  OSERR: 71,
  IOERR: 74,
  TEMPFAIL: 75,
  PROTOCOL: 76,
  NOPERM: 77,
  CONFIG: 78,
};

const LIMITS: Readonly<Record<string, string>> = {
  LimitNOFILE: "nofile",
  LimitNPROC: "nproc",
  LimitCORE: "core",
  LimitMEMLOCK: "memlock",
  LimitSTACK: "stack",
  LimitAS: "as",
};

/**
 * Reads a `.service` file of systemd (docs/design/programs.md §2).
 * @param siblings names of the units in the same import; relations to other units become comments
 */
export function importService(text: string, file: string, siblings: ReadonlySet<string>): ImportedFile {
  const { assignments, remarks } = readAssignments(text);
  const name = serviceName(file);
  const unit = new UnitSketch(name, { line: 1, text: file });
  new ServiceReader(unit, assignments, siblings).read();
  return { file, units: [unit], remarks };
}

/** The name of the unit for a service file: the file's own name, with the characters that our names allow. */
export function serviceName(file: string): string {
  return unitName((file.split("/").at(-1) ?? file).replace(/\.service$/, ""));
}

type Reader = (assignment: Assignment) => void;

class ServiceReader {
  readonly #unit: UnitSketch;
  readonly #assignments: readonly Assignment[];
  readonly #siblings: ReadonlySet<string>;
  readonly #last = new Map<string, Assignment>();
  readonly #readers: Readonly<Record<string, Reader>>;

  constructor(unit: UnitSketch, assignments: readonly Assignment[], siblings: ReadonlySet<string>) {
    this.#unit = unit;
    this.#assignments = assignments;
    this.#siblings = siblings;
    this.#readers = {
      "Unit.Description": (a) => this.#text("description", a),
      "Unit.Requires": (a) => this.#relation("requires", a),
      "Unit.After": (a) => this.#relation("after", a),
      "Unit.Before": (a) => this.#relation("before", a),
      "Service.Environment": (a) => this.#environment(a),
      "Service.EnvironmentFile": (a) => this.#environmentFile(a),
      "Service.UnsetEnvironment": (a) => this.#words(a, (words) => unit.append("unset", words, a)),
      "Service.WorkingDirectory": (a) => this.#directory(a),
      "Service.User": (a) => this.#text("user", a),
      "Service.Group": (a) => this.#text("group", a),
      "Service.StandardOutput": (a) => this.#output(a),
      "Service.SuccessExitStatus": (a) => this.#success(a),
      "Service.MemoryMax": (a) => this.#memory(a),
      "Service.WatchdogSec": (a) => this.#duration(a, (value) => unit.set("watchdog", value, a)),
      ...Object.fromEntries(
        Object.entries(LIMITS).map(([key, limit]) => [
          `Service.${key}`,
          (a: Assignment) => this.#limit(limit, a),
        ]),
      ),
    };
  }

  read(): void {
    const later = new Set([
      "Type",
      "RemainAfterExit",
      "ExecStart",
      "ExecStop",
      "Restart",
      "RestartSec",
      "KillSignal",
    ]);
    for (const key of ["KillMode", "TimeoutStopSec", "TimeoutStartSec", "TimeoutSec"]) later.add(key);
    for (const assignment of this.#assignments) {
      const { section, key } = assignment;
      const name = `${section}.${key}`;
      const isLater = section === "Service" && later.has(key);
      const before = this.#last.get(name);
      if (isLater && before !== undefined && !/^Exec/.test(key)) this.#unit.say(before, "set again below");
      if (isLater || /^Unit\.StartLimit(?:Burst|IntervalSec)$/.test(name)) this.#last.set(name, assignment);
      else if (Object.hasOwn(this.#readers, name)) this.#readers[name]?.(assignment);
      else this.#unit.lose(assignment, NO_KEY);
    }
    this.#type();
    if (this.#unit.kind === "task") this.#taskEnd();
    else {
      this.#stop();
      this.#restart();
      if (!this.#unit.keys.has("success")) this.#clean([]);
    }
  }

  #service(key: string): Assignment | undefined {
    return this.#last.get(`Service.${key}`);
  }

  /** The command, and its readiness. */
  #type(): void {
    const unit = this.#unit;
    const type = this.#service("Type");
    const remains = this.#service("RemainAfterExit");
    const kind = type?.value ?? "simple";
    const isRemaining = /^(?:yes|true|on|1)$/i.test(remains?.value ?? "");
    const isBackground = kind === "forking" || isRemaining;
    if (remains !== undefined && isRemaining) unit.lose(remains, "this unit has no process to watch");
    else if (remains !== undefined) unit.say(remains, "as every module and task");
    if (kind === "oneshot" && !isRemaining) {
      unit.kind = "task";
      unit.setByRule("runlevels", ["rc1"], "oneshot: runs once at the start");
    }
    this.#command(isBackground ? (type ?? remains) : undefined);
    if (type === undefined || (isBackground && kind !== "oneshot")) return;
    if (kind === "notify") unit.set("ready", { notify: true }, type);
    else if (kind === "simple" || kind === "exec") unit.set("ready", { started: true }, type);
    else if (kind === "oneshot") unit.say(type, isRemaining ? "see the command" : "a task");
    else unit.lose(type, "ready as soon as it starts");
  }

  /** The assignments of a command that none below clears. */
  #commands(name: string): readonly Assignment[] {
    const all = this.#assignments.filter(({ section, key }) => section === "Service" && key === name);
    const cleared = all.findLastIndex(({ value }) => value === "");
    for (const each of all.slice(0, cleared + 1)) this.#unit.say(each, `cleared by an empty ${name}`);
    return all.slice(cleared + 1);
  }

  #command(background: Assignment | undefined): void {
    const unit = this.#unit;
    const [start, ...further] = this.#commands("ExecStart");
    for (const each of further) unit.lose(each, "a unit has one command");
    if (start === undefined) {
      unit.disable(unit.source, "ExecStart= is missing");
      return;
    }
    if (background !== undefined) {
      if (background.key === "Type")
        unit.lose(background, "the main process of a program in the background is unknown");
      unit.disable(start, "use the option that keeps the program in the foreground");
      return;
    }
    const words = execWords(start.value);
    if (!words.ok) {
      unit.disable(start, words.why);
      return;
    }
    unit.set("command", words.words, start);
    if (/^:?-/.test(start.value))
      unit.lose(start, "a failure of this command fails the unit, also with the prefix -");
  }

  #stop(): void {
    const unit = this.#unit;
    const mode = this.#service("KillMode");
    const signal = this.#service("KillSignal");
    const timeout = this.#service("TimeoutStopSec") ?? this.#service("TimeoutSec");
    const stop: Record<string, FragmentValue> = { signal: "SIGTERM", timeout: "90s", to: "group" };
    const from: SourceKey[] = [];
    if (mode?.value === "mixed") stop["to"] = "main";
    if (mode !== undefined) {
      if (mode.value === "mixed" || mode.value === "control-group") from.push(mode);
      else unit.lose(mode, "the stop ends every process of the unit");
    }
    if (signal !== undefined) {
      if (/^(?:SIG)?[A-Z]+[0-9]*$/.test(signal.value)) {
        stop["signal"] = signal.value.startsWith("SIG") ? signal.value : `SIG${signal.value}`;
        from.push(signal);
      } else unit.lose(signal, "not the name of a signal");
    }
    if (timeout !== undefined) {
      this.#duration(timeout, (value) => {
        stop["timeout"] = value;
        from.push(timeout);
      });
    }
    const [command, ...further] = this.#commands("ExecStop");
    for (const each of further) unit.lose(each, "a stop has one command");
    if (command !== undefined) {
      const words = execWords(command.value);
      if (words.ok) {
        stop["command"] = words.words;
        from.push(command);
      } else unit.lose(command, words.why);
    }
    unit.setByRule("stop", stop, "the default of systemd", ...from);
    this.#startTimeout();
  }

  #startTimeout(): void {
    const unit = this.#unit;
    const own = this.#service("TimeoutStartSec");
    const both = this.#service("TimeoutSec");
    const start = own ?? both;
    if (own !== undefined && both !== undefined && this.#service("TimeoutStopSec") !== undefined) {
      unit.say(both, "set one by one");
    }
    if (start !== undefined) this.#duration(start, (value) => unit.set("timeout", value, start));
  }

  #taskEnd(): void {
    const unit = this.#unit;
    for (const key of ["KillMode", "KillSignal", "TimeoutStopSec", "Restart", "RestartSec"]) {
      const assignment = this.#service(key);
      if (assignment !== undefined) unit.lose(assignment, "a task has no such key");
    }
    for (const each of this.#commands("ExecStop")) unit.lose(each, "a task has no such key");
    for (const key of ["description", "timeout"]) unit.keys.get(key);
    for (const [key, { from }] of unit.keys) {
      if (TASK_KEYS.has(key)) continue;
      unit.keys.delete(key);
      for (const each of from) unit.lose(each, "a task has no such key");
    }
    this.#startTimeout();
    this.#limitsOfRestart(undefined);
  }

  #restart(): void {
    const unit = this.#unit;
    const restart = this.#service("Restart");
    const mode = restart?.value ?? "no";
    const [onFailure, onExit] = RESTARTS[mode] ?? ["log", "log"];
    const from = restart !== undefined && Object.hasOwn(RESTARTS, mode) ? [restart] : [];
    const rule = restart === undefined ? "without Restart= the service stays down" : "as in Restart=";
    unit.setByRule("on-failure", onFailure, rule, ...from);
    unit.setByRule("on-exit", onExit, rule, ...from);
    if (restart !== undefined && from.length === 0)
      unit.lose(restart, "Sluice has no equivalent of this condition");
    this.#limitsOfRestart(onFailure === "restart" || onExit === "restart" ? restart : undefined);
  }

  /** The start limit and the delay apply to restarts only, here. */
  #limitsOfRestart(restart: Assignment | undefined): void {
    const unit = this.#unit;
    const delay = this.#service("RestartSec");
    const burst = this.#last.get("Unit.StartLimitBurst");
    const interval = this.#last.get("Unit.StartLimitIntervalSec");
    const given = [delay, burst, interval].filter((each) => each !== undefined);
    if (restart === undefined) {
      for (const each of given)
        if (each !== delay || unit.kind !== "task") unit.lose(each, "the unit has no restart");
      return;
    }
    const after = delay === undefined ? "100ms" : delay.value === "0" ? "0s" : durationOf(delay.value);
    const within = interval === undefined ? "10s" : durationOf(interval.value);
    const isUnlimited = interval?.value === "0" || burst?.value === "0";
    const tries = isUnlimited ? "infinity" : Number(burst?.value ?? 5);
    if (after === undefined || within === undefined || (typeof tries === "number" && !(tries > 0))) {
      for (const each of given) unit.lose(each, "not a known time or number");
      return;
    }
    const value = { delay: after, longest: after, tries, ...(isUnlimited ? {} : { within }), then: "log" };
    unit.setByRule("restart", value, "the default of systemd", ...given);
  }

  #relation(key: string, assignment: Assignment): void {
    const names = assignment.value.split(/\s+/).filter(Boolean);
    const known = names.filter((name) => name.endsWith(".service") && this.#siblings.has(serviceName(name)));
    if (known.length > 0) this.#unit.append(key, known.map(serviceName), assignment);
    const others = names.filter((name) => !known.includes(name));
    if (others.length > 0) this.#unit.lose(assignment, `${others.join(" ")} is not among the imported files`);
    else if (names.length === 0) this.#unit.lose(assignment, "an empty value clears the values above");
  }

  #environment(assignment: Assignment): void {
    const unit = this.#unit;
    this.#words(assignment, (words) => {
      const pairs = words.map((word) => /^([A-Za-z_]\w*)=(.*)$/s.exec(word));
      const sound = pairs.flatMap((pair) => (pair === null ? [] : [[pair[1] ?? "", pair[2] ?? ""] as const]));
      if (sound.length > 0) unit.merge("environment", Object.fromEntries(sound), assignment);
      if (sound.length < words.length) unit.lose(assignment, "systemd ignores a word that is not NAME=VALUE");
      else if (words.length === 0) unit.lose(assignment, "an empty value clears the values above");
    });
    this.#sayPrecedence(assignment, "environment-file");
  }

  #environmentFile(assignment: Assignment): void {
    const path = withoutSpecifiers(assignment.value);
    if (path === undefined || path === "" || /[*?[]/.test(path)) {
      this.#unit.lose(assignment, path === "" ? "an empty value clears the values above" : "needs systemd");
      return;
    }
    this.#unit.append("environment-file", [path], assignment);
    this.#sayPrecedence(assignment, "environment");
  }

  #sayPrecedence(assignment: Assignment, other: string): void {
    if (!this.#unit.keys.has(other)) return;
    this.#unit.lose(assignment, "EnvironmentFile= overrides Environment= in systemd, but not here");
  }

  #directory(assignment: Assignment): void {
    if (/^[-~]/.test(assignment.value)) this.#unit.lose(assignment, "write the directory");
    else this.#text("directory", assignment);
  }

  #output(assignment: Assignment): void {
    const { value } = assignment;
    const path = /^append:(\/.*)$/.exec(value)?.[1];
    if (path !== undefined && withoutSpecifiers(path) !== undefined) {
      this.#unit.set("output", withoutSpecifiers(path) ?? path, assignment);
    } else if (value === "null") this.#unit.set("output", "discard", assignment);
    else if (value === "journal" || value === "inherit") this.#unit.set("output", "log", assignment);
    else this.#unit.lose(assignment, "output is appended to a file, logged or discarded");
  }

  #success(assignment: Assignment): void {
    const words = assignment.value.split(/\s+/).filter(Boolean);
    const found = words.map((word) => {
      if (/^\d+$/.test(word)) return Number(word) < 256 ? Number(word) : undefined;
      if (/^SIG[A-Z]+[0-9]*$/.test(word)) return word;
      return Object.hasOwn(STATUSES, word) ? STATUSES[word] : undefined;
    });
    if (found.length === 0 || found.includes(undefined)) {
      this.#unit.lose(assignment, "write the number of each status");
      return;
    }
    this.#clean(
      found.filter((each) => each !== undefined),
      assignment,
    );
  }

  /** The signals and statuses that always count as a clean end of a service. */
  #clean(more: readonly (string | number)[], ...from: readonly SourceKey[]): void {
    const known = (this.#unit.keys.get("success")?.value ?? []) as readonly (string | number)[];
    const all = [...new Set(["SIGHUP", "SIGINT", "SIGTERM", ...known, ...more])];
    const before = this.#unit.keys.get("success")?.from ?? [];
    this.#unit.setByRule("success", all, "systemd treats these as success", ...before, ...from);
  }

  #memory(assignment: Assignment): void {
    const bytes = bytesOf(assignment.value);
    if (bytes === undefined || bytes === 0) this.#unit.lose(assignment, "not a number of bytes");
    else this.#unit.set("memory-limit", `${bytes}B`, assignment);
  }

  #limit(limit: string, assignment: Assignment): void {
    const parts = assignment.value.split(":").map((part) => {
      if (part === "infinity") return part;
      return limit === "nofile" || limit === "nproc" ? /^\d+$/.exec(part)?.[0] : bytesOf(part)?.toString();
    });
    if (parts.length > 2 || parts.includes(undefined))
      this.#unit.lose(assignment, "not a number of bytes, processes or files");
    else {
      const [first = "", second] = parts;
      const value =
        second === undefined ? (/^\d+$/.test(first) ? Number(first) : first) : `${first}:${second}`;
      this.#unit.merge("limits", { [limit]: value }, assignment);
    }
  }

  #text(key: string, assignment: Assignment): void {
    const text = withoutSpecifiers(assignment.value);
    if (text === undefined) this.#unit.lose(assignment, "needs a specifier of systemd");
    else if (text === "") this.#unit.lose(assignment, "an empty value clears the values above");
    else {
      for (const before of this.#unit.keys.get(key)?.from ?? []) this.#unit.say(before, "set again below");
      this.#unit.set(key, text, assignment);
    }
  }

  #duration(assignment: Assignment, set: (value: string) => void): void {
    const value = durationOf(assignment.value);
    if (value === undefined) this.#unit.lose(assignment, "not a known time");
    else set(value);
  }

  #words(assignment: Assignment, use: (words: readonly string[]) => void): void {
    const words = plainWords(assignment.value);
    if (words.ok) use(words.words);
    else this.#unit.lose(assignment, words.why);
  }
}

const RESTARTS: Readonly<Record<string, readonly [onFailure: string, onExit: string]>> = {
  no: ["log", "log"],
  always: ["restart", "restart"],
  "on-failure": ["restart", "log"],
  "on-success": ["log", "restart"],
};

/** Keys that this importer makes and that a task has. */
const TASK_KEYS = new Set([
  "command",
  "description",
  "requires",
  "after",
  "before",
  "timeout",
  "runlevels",
  "disabled",
]);
