import type { Reason } from "./types.js";

/** How many links of a chain of needs the text shows. */
const LINKS_SHOWN = 8;

/** A reason as one line of text, without the name of the unit. It shortens a long chain of needs. */
export function reasonText(reason: Reason): string {
  const links: string[] = [];
  let current = reason;
  while (current.kind === "need") {
    if (links.length === LINKS_SHOWN) return [...links, "…"].join(": ");
    const { need, because }: Extract<Reason, { kind: "need" }> = current;
    links.push(needText(need, because?.unit));
    if (because === undefined) return links.join(": ");
    current = because.reason;
  }
  return [...links, ownText(current)].join(": ");
}

/** As {@link reasonText}, without the cause of a need. */
export function ownReasonText(reason: Reason): string {
  return reason.kind === "need" ? needText(reason.need, reason.because?.unit) : ownText(reason);
}

function needText(need: string, provider: string | undefined): string {
  if (provider === undefined) return `needs ${need}, which no unit provides`;
  return provider === need
    ? `needs ${need}, which is left out`
    : `needs ${need}, whose ${provider} is left out`;
}

function ownText(reason: Exclude<Reason, { kind: "need" }>): string {
  switch (reason.kind) {
    case "disabled":
      return reason.by === undefined ? "disabled" : `disabled by ${reason.by.label}`;
    case "rank":
      return `rank ${reason.rank} is not in ranks ${reason.ranks}`;
    case "condition":
      return reason.condition.startsWith("!")
        ? `${reason.key} ${reason.condition}: ${reason.condition.slice(1)} is set`
        : `${reason.key} ${reason.condition}: not set`;
    case "set-aside": {
      const outcome = reason.servedBy === undefined ? "nothing serves" : `${reason.servedBy} serves`;
      return `set aside for ${reason.service}: ${reason.missing} was missing; ${outcome} ${reason.service}`;
    }
    case "other-provider":
      return reason.by === "loaded"
        ? `${reason.picked} runs already and serves ${reason.service}`
        : `${reason.picked} was picked for ${reason.service} by ${reason.by}`;
    case "not-asked":
      return reason.requiredBy.length === 0
        ? "not asked for"
        : `not asked for; required by ${reason.requiredBy.join(", ")}, left out`;
  }
}
