import { shownArgs } from "../../units/index.js";
import { reasonText } from "../reason-text.js";
import type { ApplyCause, ApplyChange, ApplyPlan, KeyChange, Renaming } from "./apply-types.js";

const SIGNS = { load: "+", reload: "~", restart: "~", change: "~", remove: "-" } as const;

/** The number of shown characters of a digest. */
const DIGEST_SHOWN = 4;

/** The steps, one line for each module, in columns; and the modules with the same command or file. */
export function applyLines({ changes, renamings }: ApplyPlan): string[] {
  const rows = changes.map((change) => [
    `${SIGNS[change.action]} ${change.action.padEnd("restart".length)}`,
    whatText(change),
    causesText(change.causes),
    placeText(change),
  ]);
  const widths = [0, 1, 2].map((column) => Math.max(0, ...rows.map((row) => (row[column] ?? "").length)));
  return [
    ...rows.map((row) =>
      row
        .map((cell, column) => cell.padEnd((widths[column] ?? 0) + 2))
        .join("")
        .trimEnd(),
    ),
    ...renamings.map(renamingText),
  ];
}

/** `7 modules stay as they are`, and the modules without a unit. */
export function staysLines({ stays, unknown }: Pick<ApplyPlan, "stays" | "unknown">): string[] {
  const count = stays.length === 1 ? "1 module stays as it is" : `${stays.length} modules stay as they are`;
  return unknown.length === 0 ? [count] : [count, `unchanged, without a unit: ${unknown.join(", ")}`];
}

function whatText(change: ApplyChange): string {
  return change.action === "remove" ? change.name : [change.unit.name, ...argsShown(change)].join(" ");
}

/** The line shows arguments if they are new. */
function argsShown({
  action,
  unit,
  keepsArgs,
}: Exclude<ApplyChange, { action: "remove" }>): readonly string[] {
  return action === "load" || !keepsArgs ? shownArgs(unit) : [];
}

/** The causes of a step, in a few words. */
export function causesText(causes: readonly ApplyCause[]): string {
  return causes.map(causeText).join("; ");
}

function causeText(cause: ApplyCause): string {
  switch (cause.kind) {
    case "new":
      return "new";
    case "failed":
      return "the module has failed";
    case "file":
      return "its file has changed";
    case "variables":
      return "its environment files have changed";
    case "keys":
      return cause.keys.map(keyText).join("; ");
    case "follows":
      return `follows ${cause.source}`;
    case "left-out":
      return cause.reason === undefined ? "no file defines the unit now" : reasonText(cause.reason);
  }
}

function keyText({ key, from, to }: KeyChange): string {
  return `${key}: ${valueText(from)} → ${valueText(to)}`;
}

function valueText(value: unknown): string {
  if (value === undefined || value === null || (Array.isArray(value) && value.length === 0))
    return "(not set)";
  if (typeof value === "string") return value;
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value.join(" ");
  return JSON.stringify(value);
}

/** The place of the cause; for a file, its old and new digest. */
function placeText(change: ApplyChange): string {
  for (const cause of change.causes) {
    if (cause.kind === "new") return cause.origin ?? "";
    if (cause.kind === "file") return `sha256 ${shortDigest(cause.from)} → ${shortDigest(cause.to)}`;
    if (cause.kind === "keys") return cause.keys.find(({ origin }) => origin !== undefined)?.origin ?? "";
  }
  return "";
}

function shortDigest(digest: string | null): string {
  return `${(digest ?? "").replace(/^sha256-/, "").slice(0, DIGEST_SHOWN)}…`;
}

function renamingText({ from, to, same }: Renaming): string {
  return `${from} and ${to} have the same ${same}: ${from} ends before ${to} starts`;
}
