/** What a round does, decided by the seed and its number alone. */
import { FAULTS } from "./faults/index.mjs";
import { Random } from "./random.mjs";

const PROVIDERS = ["content-sqlite", "content-files"];

/** What becomes of the instance when a module dies: unit key `on-failure`, or attribute `broker.module-nopanic`. */
const POLICIES = ["panic", "restart", "log", "nopanic"];

const MOST_STEPS = 3;

/**
 * @param options `seed`, `sorts`: names of those that may be drawn, `providers` of `content-backing`
 * @param number of the round, from 1
 * @returns `{ number, provider, exec, policy, ranks, needs, steps }`. Each sort leads one round in turn; the steps after the
 *   first are of any sort.
 */
export function planRound({ seed, sorts, providers = PROVIDERS }, number) {
  const random = new Random(`${seed}/round ${number}`);
  const turn = Math.ceil(number / sorts.length);
  const lead = new Random(`${seed}/turn ${turn}`).shuffled(sorts)[(number - 1) % sorts.length];
  if (FAULTS[lead].isAlone) return { number, steps: [{ sort: lead }] };
  const names = [lead];
  const count = random.between(1, MOST_STEPS);
  while (names.length < count) names.push(random.pick(sorts.filter((sort) => goesWith(sort, names))));
  const steps = names.map((sort) => ({ sort, puts: random.between(10, 300) }));
  const needs = Object.assign({}, ...names.map((sort) => FAULTS[sort].needs));
  return {
    number,
    provider: random.pick(providers),
    providers,
    exec: needs.exec ?? random.percent(30),
    policy: random.pick(POLICIES),
    ranks: needs.ranks ?? (random.percent(20) ? 3 : 1),
    needs,
    steps,
  };
}

function goesWith(sort, names) {
  if (FAULTS[sort].isAlone) return false;
  return !names.some(
    (name) => FAULTS[name].excludes?.includes(sort) || FAULTS[sort].excludes?.includes(name),
  );
}

/** As people read it. */
export function describeRound({ provider, exec, policy, ranks, steps }) {
  const sorts = steps.map(({ sort }) => sort).join(", ");
  if (provider === undefined) return sorts;
  const where = exec ? "in a process" : "in a thread";
  return `${sorts}; ${provider} ${where}, policy ${policy}, ${ranks === 1 ? "1 rank" : `${ranks} ranks`}`;
}
