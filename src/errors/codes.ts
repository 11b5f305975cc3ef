/** Every code that a {@link Diagnostic} or a {@link SluiceError} may carry. `docs/errors.md` has an entry for each. */
export const ERROR_CODES = [
  // Unit files and their composition (docs/design/planning.md §1–2).
  "UNIT_SYNTAX",
  "UNIT_UNREADABLE",
  "UNIT_NOT_A_FILE",
  "UNIT_NOT_UTF8",
  "UNIT_INSECURE",
  "UNIT_UNKNOWN_FORMAT",
  "UNIT_UNKNOWN_KEY",
  "UNIT_WRONG_TYPE",
  "UNIT_MISSING_KEY",
  "UNIT_INVALID_NAME",
  "UNIT_INVALID_RANKS",
  "UNIT_INVALID_DURATION",
  "UNIT_INVALID_SIZE",
  "UNIT_INVALID_VALUE",
  "UNIT_DUPLICATE_NAME",
  "UNIT_UNKNOWN_UNIT",
  "UNIT_WILDCARD_CONFLICT",
  "UNIT_LIST_EDIT_CONFLICT",
  "UNIT_LIST_EDIT_IN_DEFINITION",
  "UNIT_UNKNOWN_SERVICE",
  "UNIT_NOT_A_PROVIDER",
  // Warnings of `verify`.
  "UNIT_ORDER_ON_UNKNOWN",
  "UNIT_NEED_ON_UNKNOWN",
  "UNIT_NEED_UNMEETABLE",
  "UNIT_NEVER_PICKED",
  "UNIT_NO_EFFECT",
  "UNIT_OVERRIDE",
  "UNIT_UNREACHED",
  "UNIT_NOT_READ",
  "GRAPH_ORDER_BROKEN",
  "GRAPH_REQUIRES_UNORDERED",
  // Planning (docs/design/planning.md §4–6).
  "GRAPH_UNKNOWN_NAME",
  "GRAPH_CYCLE",
  "GRAPH_IN_USE",
  "GRAPH_NOT_LOADED",
  "GRAPH_NEEDS_UNMET",
  "GRAPH_PICTURE",
  // Running a plan (docs/design/planning.md §7).
  "RUN_FAILED",
  "RUN_TIMEOUT",
  "RUN_CANCELLED",
  "RUN_RECORD",
  // Loading modules (docs/design/modules.md §4–5).
  "LOAD_NOT_FOUND",
  "LOAD_NO_LOADER",
  "LOAD_NO_ENTRY",
  "LOAD_FAILED",
  // The broker and its clients.
  "BROKER_UNREACHABLE",
  "BROKER_PROTOCOL",
  "BROKER_REQUEST",
  "BROKER_CONFIG",
  "BROKER_STATE",
  // rc files (docs/design/planning.md §8).
  "RC_INVALID",
  "RC_FAILED",
  "USAGE",
  "INTERNAL",
] as const;

/** One of {@link ERROR_CODES}. */
export type ErrorCode = (typeof ERROR_CODES)[number];
