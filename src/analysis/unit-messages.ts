/** The requests of one unit to another during a run. */
export interface UnitLink {
  readonly from: string;
  readonly to: string;
  /** The topics of requests that were answered; none for notices and events alone. */
  readonly answered: readonly { readonly topic: string; readonly isStarting: boolean }[];
}

/** The messages between the modules of a recorded run. */
export interface RunMessages {
  /** Whether it covers the whole run, because the broker notes messages for a while only. */
  readonly isComplete: boolean;
  readonly between: readonly UnitLink[];
}

/** Messages between units of a plan. Other modules were loaded before. */
export function messagesWithin(
  units: ReadonlySet<string>,
  { isComplete, between }: RunMessages,
): RunMessages {
  return { isComplete, between: between.filter(({ from, to }) => units.has(from) && units.has(to)) };
}

/** Whether a value of a record has messages in this form. */
export function isRunMessages(value: unknown): value is RunMessages {
  if (!isObject(value)) return false;
  const { isComplete, between } = value;
  return typeof isComplete === "boolean" && Array.isArray(between) && between.every(isUnitLink);
}

function isUnitLink(value: unknown): value is UnitLink {
  if (!isObject(value)) return false;
  const { from, to, answered } = value;
  return (
    typeof from === "string" &&
    typeof to === "string" &&
    Array.isArray(answered) &&
    answered.every(
      (one) => isObject(one) && typeof one["topic"] === "string" && typeof one["isStarting"] === "boolean",
    )
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
