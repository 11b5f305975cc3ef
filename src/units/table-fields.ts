/** The rules for the values of a table's fields, beyond their schema. */
export type FieldKind =
  "plain" | "duration" | "expression" | "address" | "url" | "signal" | "statuses" | "limit" | "count";

/** The tables that keys of units may have, with their fields (docs/design/programs.md §1). */
export const TABLES = {
  probe: {
    started: "plain",
    notify: "plain",
    fd: "plain",
    log: "expression",
    tcp: "address",
    unix: "plain",
    http: "url",
    command: "plain",
    file: "plain",
    after: "duration",
    status: "statuses",
    body: "expression",
    output: "expression",
    interval: "duration",
    timeout: "duration",
    deadline: "duration",
    failures: "plain",
  },
  restart: { delay: "duration", longest: "duration", tries: "count", within: "duration", then: "plain" },
  limits: { nofile: "limit", nproc: "limit", core: "limit", memlock: "limit", stack: "limit", as: "limit" },
  stop: { signal: "signal", timeout: "duration", command: "plain", to: "plain" },
} as const satisfies Readonly<Record<string, Readonly<Record<string, FieldKind>>>>;

/** A kind of table. */
export type TableKind = keyof typeof TABLES;

/** Whether values of a kind are tables of this file. */
export function isTableKind(kind: string): kind is TableKind {
  return Object.hasOwn(TABLES, kind);
}

/** The fields that a table of a key may have, for hints; undefined if the kind has no fields. */
export function fieldsOfTable(kind: string): readonly string[] | undefined {
  return isTableKind(kind) ? Object.keys(TABLES[kind]) : undefined;
}

/** The rule for a field of such a table; undefined if it has no such field. */
export function kindOfField(kind: string, field: string): FieldKind | undefined {
  if (!isTableKind(kind)) return undefined;
  const fields: Readonly<Record<string, FieldKind>> = TABLES[kind];
  return Object.hasOwn(fields, field) ? fields[field] : undefined;
}
