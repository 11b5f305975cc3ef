import type { Catalog } from "../../units/index.js";
import type { Account, Candidacy, Cause, OrderCause, Statement, ServiceAccount } from "./account-types.js";
import type { Advice, Remedy } from "./change-search.js";
import { changeText } from "./change-text.js";

/** Names and lines of one kind that are shown. The text only counts the others. The JSON has all of them. */
const SHOWN = 12;

/** An account for people, indented by two blanks a level (docs/design/cli.md §2, `explain`). */
export function accountLines(account: Account, catalog: Catalog): string[] {
  const { unit, definedAt, causes, services, after, before, advice } = account;
  const place = definedAt === undefined ? "" : `, defined at ${definedAt.label}`;
  return [
    `${unit}: ${statusText(account)}${place}`,
    ...section("because", causeLines(causes, account.status === "left-out")),
    ...services.flatMap(serviceLines),
    ...section("comes after", after.map(orderText)),
    ...section("comes before", before.map(orderText)),
    ...(advice === undefined ? [] : adviceLines(advice, catalog)),
  ];
}

/** A line for each cause, and under it the statements that prove it. */
export function causeLines(causes: readonly Cause[], withUnits = true): string[] {
  return causes.flatMap(({ unit, text, statements }) => [
    `${withUnits ? `${unit}: ` : ""}${text}`,
    ...statements.map((each) => indent(statementText(each))),
  ]);
}

function statusText({ name, unit, status, action }: Account): string {
  const served = name === unit ? "" : ` for ${name}`;
  switch (status) {
    case "planned":
      return `planned${served}, to ${action ?? "run"}`;
    case "loaded":
      return `runs already${served}`;
    case "left-out":
      return `left out${served}`;
  }
}

function serviceLines({ service, picked, providers }: ServiceAccount): string[] {
  const head = picked === undefined ? `${service}: not asked for` : `${service}: ${picked} was picked`;
  const others = providers.filter(({ unit }) => unit !== picked);
  return section(head, others.flatMap(candidacyLines));
}

function candidacyLines({ unit, priority, lost, statements }: Candidacy): string[] {
  if (lost === undefined) return [`${unit} provides it, priority ${priority}`];
  return [`not ${unit}: ${lost.text}`, ...statements.map((each) => indent(statementText(each)))];
}

function orderText({ units, statement }: OrderCause): string {
  return `${namesText(units)}: ${statementText(statement)}`;
}

function statementText({ text, unit, origin }: Statement): string {
  const owner = unit === undefined ? "" : ` of ${unit}`;
  return `${text}${owner}${origin === undefined ? "" : ` (${origin.label})`}`;
}

function adviceLines({ remedies, isExhaustive, tried }: Advice, catalog: Catalog): string[] {
  const [first, ...others] = remedies;
  if (first === undefined) {
    return [
      indent(
        isExhaustive
          ? "neither one change nor two put the unit into the plan"
          : `tried ${tried} changes; none of them puts the unit into the plan`,
      ),
    ];
  }
  return [
    ...section("to put the unit into the plan", remedyLines(first, catalog)),
    ...others.flatMap((remedy) => section("or", remedyLines(remedy, catalog))),
  ];
}

function remedyLines({ changes, alsoIn, thenOut }: Remedy, catalog: Catalog): string[] {
  return [
    ...changes.map((change) => changeText(change, catalog)),
    ...(alsoIn.length === 0 ? [] : [indent(`also adds: ${namesText(alsoIn)}`)]),
    ...(thenOut.length === 0 ? [] : [indent(`removes: ${namesText(thenOut)}`)]),
  ];
}

/** A heading and its lines; no heading without lines. */
function section(heading: string, lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  const shown = lines.slice(0, 4 * SHOWN);
  const left = lines.length - shown.length;
  const rest = left > 0 ? [`and ${left} more lines; --json lists all`] : [];
  return [indent(`${heading}:`), ...[...shown, ...rest].map((line) => indent(indent(line)))];
}

function namesText(names: readonly string[]): string {
  const shown = names.slice(0, SHOWN).join(", ");
  return names.length > SHOWN ? `${shown} and ${names.length - SHOWN} more` : shown;
}

function indent(line: string): string {
  return `  ${line}`;
}
