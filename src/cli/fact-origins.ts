import { formatLocation, type Origin } from "../errors/index.js";
import type { FactName } from "../graph/index.js";
import { namedOrigin } from "../units/index.js";
import type { PlanningContext, FactOptions } from "./facts.js";

/** The origin of a fact: the place in a configuration file, a flag, the environment or the instance. */
export function originOfFact(
  fact: FactName,
  { configuration, handle }: PlanningContext,
  options: Pick<FactOptions, "rank" | "attr">,
): Origin {
  const base = namedOrigin(handle === undefined ? "default" : "the instance");
  switch (fact.kind) {
    case "rank":
      return options.rank === undefined ? base : namedOrigin("flag --rank");
    case "needs-config": {
      const location = configuration.locate(fact.name.split("."), "value");
      return location === undefined
        ? namedOrigin("configuration")
        : { label: formatLocation(location), location };
    }
    case "needs-attrs":
      return options.attr?.some(([name]) => name === fact.name) ? namedOrigin("flag --attr") : base;
    case "needs-env":
      return namedOrigin(`environment ${fact.name}`);
  }
}
