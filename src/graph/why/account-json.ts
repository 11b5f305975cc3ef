import type { Origin } from "../../errors/index.js";
import type { Catalog } from "../../units/index.js";
import type { Account, Cause, OrderCause, Statement } from "./account-types.js";
import { changeText } from "./change-text.js";

/** The origin of a statement: always a label for people, and a place if it is in a file; lines and columns from 1. */
export interface OriginJson {
  readonly label: string;
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
}

/** An account as plain JSON data; docs/explain.md describes the shape. */
export function accountToJson(account: Account, catalog: Catalog) {
  const { name, unit, status, action, definedAt, causes, services, after, before, advice } = account;
  return {
    name,
    unit,
    status,
    action: action ?? null,
    definedAt: originToJson(definedAt),
    causes: causes.map(causeToJson),
    services: services.map(({ service, picked, providers }) => ({
      service,
      picked: picked ?? null,
      providers: providers.map((provider) => ({
        unit: provider.unit,
        priority: provider.priority,
        lost: provider.lost ?? null,
        said: provider.statements.map(statementToJson),
      })),
    })),
    after: after.map(orderToJson),
    before: before.map(orderToJson),
    advice:
      advice === undefined
        ? null
        : {
            remedies: advice.remedies.map((remedy) => ({
              changes: remedy.changes.map((change) => ({ ...change, text: changeText(change, catalog) })),
              alsoIn: remedy.alsoIn,
              thenOut: remedy.thenOut,
            })),
            isExhaustive: advice.isExhaustive,
            tried: advice.tried,
          },
  };
}

/** A cause as plain JSON data. */
export function causeToJson({ unit, text, reason, statements }: Cause) {
  return {
    unit,
    text,
    reason: reason === undefined ? null : reasonToJson(reason),
    said: statements.map(statementToJson),
  };
}

/** An origin as plain JSON data; null for no origin. */
function originToJson(origin: Origin | undefined): OriginJson | null {
  if (origin === undefined) return null;
  const { label, location } = origin;
  if (location === undefined) return { label };
  return { label, file: location.file, line: location.line, column: location.column };
}

/** A reason without its origin, which is under `said`. */
function reasonToJson(reason: NonNullable<Cause["reason"]>) {
  return reason.kind === "disabled" ? { kind: reason.kind } : reason;
}

function orderToJson({ units, statement }: OrderCause) {
  return { units, said: statementToJson(statement) };
}

function statementToJson({ text, unit, origin }: Statement) {
  return { text, unit: unit ?? null, origin: originToJson(origin) };
}
