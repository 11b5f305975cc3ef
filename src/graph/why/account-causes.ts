import type { Origin } from "../../errors/index.js";
import { groupReference, type Unit } from "../../units/index.js";
import { choiceBetween } from "./account-services.js";
import type { AccountInput, Cause, FactName, Statement } from "./account-types.js";
import { ownReasonText } from "../reason-text.js";
import type { AskedFor, Reason } from "../types.js";

/** For a unit that no other unit requests: the number of its requirers that the account gives with their places. */
const REQUIRERS_SHOWN = 8;

/** Leads from a root to a planned unit. Each unit requests the next one. */
export function causesOfPlanned(input: AccountInput, chain: readonly AskedFor[]): Cause[] {
  return chain.map(({ name, unit }, i) => {
    const asker = chain[i - 1]?.unit;
    const served = name === unit ? "" : `, which ${unit} serves`;
    return {
      unit,
      reason: undefined,
      text: asker === undefined ? `${name} is a root${served}` : `${asker} requires ${name}${served}`,
      statements: [
        asker === undefined ? statementOfRoot(input, name) : statementOfUnit(input, asker, "requires", name),
        ...statementsOfChoice(input, name, unit),
      ],
    };
  });
}

interface Link {
  readonly unit: string;
  readonly reason: Reason;
}

/**
 * Leads from a unit that is left out to its first causes. It handles chains of needs of any depth, without recursion.
 */
export function causesOfLeftOut(input: AccountInput, unit: string, reason: Reason): Cause[] {
  const causes: Cause[] = [];
  // Units that need each other without a request would cause an endless loop.
  const seen = new Set<string>();
  let current: Link | undefined = { unit, reason };
  while (current !== undefined && !seen.has(current.unit)) {
    const link: Link = current;
    seen.add(link.unit);
    causes.push(causeOf(input, link.unit, link.reason));
    current = nextCause(input, link.unit, link.reason);
  }
  return causes;
}

/** The cause of a reason: the missing provider of a need, or the reason of the only unit that would have requested it. */
function nextCause({ plan }: AccountInput, unit: string, reason: Reason): Link | undefined {
  if (reason.kind === "need") return reason.because;
  if (reason.kind !== "not-asked") return undefined;
  const [requirer] = reason.requiredBy;
  const deeper = requirer === undefined || requirer === unit ? undefined : plan.leftOut.get(requirer);
  // A requirer that was not requested either adds no information.
  if (requirer === undefined || deeper === undefined || deeper.kind === "not-asked") return undefined;
  return { unit: requirer, reason: deeper };
}

function causeOf(input: AccountInput, unit: string, reason: Reason): Cause {
  return {
    unit,
    text: ownReasonText(reason),
    reason: withoutRest(reason),
    statements: statementsFor(input, unit, reason),
  };
}

function withoutRest(reason: Reason): Cause["reason"] {
  return reason.kind === "need" ? { kind: "need", need: reason.need } : reason;
}

function statementsFor(input: AccountInput, unit: string, reason: Reason): Statement[] {
  switch (reason.kind) {
    case "disabled":
      return [{ text: "disabled = true", unit, origin: reason.by }];
    case "rank":
      return [
        statementOfUnit(input, unit, "ranks", undefined, reason.ranks),
        statementOfFact(input, `rank ${reason.rank}`, { kind: "rank", rank: reason.rank }),
      ];
    case "condition": {
      const name = reason.condition.replace(/^!/, "");
      const isSet = reason.condition.startsWith("!");
      return [
        statementOfUnit(input, unit, reason.key, reason.condition),
        ...(isSet ? [statementOfFact(input, `${name} is set`, { kind: reason.key, name })] : []),
      ];
    }
    case "need":
      return [statementOfUnit(input, unit, "needs", reason.need)];
    case "set-aside":
      return [statementOfUnit(input, unit, "needs", reason.missing)];
    case "other-provider":
      return statementsOfLoss(input, reason.service, reason.picked, unit);
    case "not-asked":
      return statementsOfRequirers(input, unit, reason.requiredBy);
  }
}

function statementOfUnit(
  { plan }: AccountInput,
  unit: string,
  key: string,
  element?: string,
  value = element,
): Statement {
  return { text: `${key} = "${value ?? ""}"`, unit, origin: plan.catalog.originOf(unit, key, element) };
}

function statementOfFact(input: AccountInput, text: string, fact: FactName): Statement {
  return { text, unit: undefined, origin: input.factOrigin?.(fact) };
}

/** Why a name is a root: the origin of the load request, or that it is a task. */
function statementOfRoot({ plan, origins }: AccountInput, name: string): Statement {
  const unit = plan.catalog.byName.get(name);
  const groups = unit?.groups.map(groupReference) ?? [];
  const asked = [name, ...groups].find((each) => origins.has(each));
  if (unit?.kind !== "task" || asked !== undefined)
    return { text: `load = "${asked ?? name}"`, unit: undefined, origin: origins.get(asked ?? name) };
  const origin: Origin | undefined =
    plan.catalog.originOf(name, "runlevels") ?? plan.catalog.originOf(name, "name");
  const text = unit.command === undefined ? "a task" : `runlevels = "${unit.runlevels.join(", ")}"`;
  return { text, unit: name, origin };
}

/** Why this unit serves the name, if another could have. */
function statementsOfChoice({ plan }: AccountInput, service: string, picked: string): Statement[] {
  const winner = plan.catalog.byName.get(picked);
  const rival = plan.catalog.providers.get(service)?.findLast(({ name }) => isBeaten(plan.leftOut.get(name)));
  if (winner === undefined || rival === undefined) return [];
  return [...choiceBetween(plan.catalog, service, winner, rival).statements];
}

/** A unit that could have served, but lost to a better one. */
function isBeaten(reason: Reason | undefined): boolean {
  return reason?.kind === "other-provider";
}

function statementsOfLoss(
  { plan }: AccountInput,
  service: string,
  picked: string,
  loser: string,
): Statement[] {
  const winner: Unit | undefined = plan.catalog.byName.get(picked);
  const other = plan.catalog.byName.get(loser);
  return winner === undefined || other === undefined
    ? []
    : [...choiceBetween(plan.catalog, service, winner, other).statements];
}

function statementsOfRequirers(input: AccountInput, unit: string, requirers: readonly string[]): Statement[] {
  const { catalog } = input.plan;
  const services = new Set([unit, ...(catalog.byName.get(unit)?.provides ?? [])]);
  return requirers.slice(0, REQUIRERS_SHOWN).flatMap((requirer) => {
    const name = catalog.byName.get(requirer)?.requires.find((service) => services.has(service));
    return name === undefined ? [] : [statementOfUnit(input, requirer, "requires", name)];
  });
}
