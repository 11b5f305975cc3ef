import type { Remark } from "./sketch.js";

/** An assignment of a unit file of systemd. */
export interface Assignment {
  readonly section: string;
  readonly key: string;
  readonly value: string;
  /** The line of its beginning, from 1. */
  readonly line: number;
  /** The written text, with its lines joined. */
  readonly text: string;
}

/** Reads the assignments of a unit file, and the lines that are no assignments. */
export function readAssignments(text: string): {
  readonly assignments: readonly Assignment[];
  readonly remarks: readonly Remark[];
} {
  const assignments: Assignment[] = [];
  const remarks: Remark[] = [];
  let section = "";
  for (const { line, text: written } of logicalLines(text)) {
    const [, header] = /^\[([^\]]*)\]$/.exec(written) ?? [];
    if (header !== undefined) {
      section = header;
      continue;
    }
    const equals = written.indexOf("=");
    if (equals <= 0 || section === "") {
      remarks.push({
        line,
        text: written,
        why: "not an assignment in a section; systemd ignores the line",
        isLost: true,
      });
      continue;
    }
    const key = written.slice(0, equals).trimEnd();
    const value = written.slice(equals + 1).trim();
    assignments.push({ section, key, value, line, text: written });
  }
  return { assignments, remarks };
}

/** A backslash at the end of a line joins it with the next one; comments in between do not count. */
function logicalLines(text: string): { readonly line: number; readonly text: string }[] {
  const found: { line: number; text: string }[] = [];
  let open: { line: number; text: string } | undefined;
  for (const [at, raw] of text
    .replace(/^\ufeff/, "")
    .split(/\r?\n/)
    .entries()) {
    const written = raw.trim();
    if (/^[#;]/.test(written) || (open === undefined && written === "")) continue;
    const isContinued = written.endsWith("\\");
    const part = isContinued ? written.slice(0, -1) : written;
    if (open === undefined) open = { line: at + 1, text: part };
    else open.text = `${open.text} ${part}`;
    if (isContinued) continue;
    found.push({ ...open, text: open.text.trim() });
    open = undefined;
  }
  if (open !== undefined) found.push({ ...open, text: open.text.trim() });
  return found;
}

const MS: Readonly<Record<string, number>> = {
  us: 1e-3,
  usec: 1e-3,
  ms: 1,
  msec: 1,
  s: 1e3,
  sec: 1e3,
  second: 1e3,
  seconds: 1e3,
  m: 60e3,
  min: 60e3,
  minute: 60e3,
  minutes: 60e3,
  h: 3600e3,
  hr: 3600e3,
  hour: 3600e3,
  hours: 3600e3,
  d: 86_400e3,
  day: 86_400e3,
  days: 86_400e3,
  w: 604_800e3,
  week: 604_800e3,
  weeks: 604_800e3,
};

/**
 * A time of systemd, such as `1min 30s`, or seconds without a unit, as a duration of a unit; undefined if it is
 * invalid.
 */
export function durationOf(text: string): string | undefined {
  if (text === "infinity" || text === "0") return "infinity";
  let ms = 0;
  let rest = text.trim();
  if (rest === "") return undefined;
  while (rest !== "") {
    const [all, number, unit = ""] = /^(\d+(?:\.\d+)?)\s*([a-z]*)\s*/.exec(rest) ?? [];
    const factor = unit === "" ? 1e3 : Object.hasOwn(MS, unit) ? MS[unit] : undefined;
    if (all === undefined || factor === undefined) return undefined;
    ms += Number(number) * factor;
    rest = rest.slice(all.length);
  }
  return msText(ms);
}

function msText(ms: number): string | undefined {
  const rounded = Math.round(ms);
  if (rounded < 1) return undefined;
  return rounded % 1000 === 0 ? `${rounded / 1000}s` : `${rounded}ms`;
}

const BYTES: Readonly<Record<string, number>> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** A size of systemd, such as `512M`, in bytes; undefined if it is invalid. */
export function bytesOf(text: string): number | undefined {
  const [, number, unit = ""] = /^(\d+)([KMGT]?)B?$/.exec(text) ?? [];
  return number === undefined ? undefined : Number(number) * (BYTES[unit] ?? 1);
}
