/** Holds the whole store against the ledger, while no put is under way. */
import { isWhole } from "./ledger.mjs";
import { PAIRS } from "./writers.mjs";

/** Reads that are under way at a time. */
const LANES = 16;
/** The number of failures that are listed one by one. */
const MOST_TOLD = 10;

/**
 * @returns the problems, `{ kind, text, key? }` each; correct values are settled in the ledger
 */
export async function auditStore(instance, ledger) {
  return await instance.ask(async (handle) => {
    const { version } = await handle.rpc("kvs.version");
    const backwards = ledger.sawVersion(version);
    const values = await readAll(handle, ledger.keys);
    const wrong = [...values].map(([key, value]) => ledger.judge(key, value)).filter(Boolean);
    if (wrong.length === 0) for (const [key, value] of values) ledger.settle(key, value);
    return [
      ...(backwards === undefined ? [] : [{ kind: "backwards", text: backwards }]),
      ...tornPairs(values),
      ...told(wrong),
    ];
  });
}

/**
 * Holds an instance that a dump was restored into against the values at the start of the dump, and later ones.
 * @param view of the ledger
 * @returns as `auditStore`
 */
export async function auditDump(instance, ledger, view) {
  const values = await instance.ask((handle) => readAll(handle, ledger.keys));
  const wrong = [...values].map(([key, value]) => view.judge(key, value)).filter(Boolean);
  return [...tornPairs(values), ...told(wrong)].map((one) => ({ ...one, text: `of the dump: ${one.text}` }));
}

/** The first few with all their details, and the number of further ones. */
function told(wrong) {
  const first = wrong.slice(0, MOST_TOLD).map((one) => ({ kind: one.kind, key: one.key, text: textOf(one) }));
  const more = wrong.length - first.length;
  return more === 0 ? first : [...first, { kind: "loss", count: more, text: `and ${more} more` }];
}

async function readAll(handle, keys) {
  const values = new Map();
  const rest = [...keys];
  const lane = async () => {
    for (let key = rest.pop(); key !== undefined; key = rest.pop())
      values.set(key, (await handle.rpc("kvs.get", { key, optional: true })).value);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return values;
}

function tornPairs(values) {
  return PAIRS.filter(([left, right]) => numberAt(values, left) !== numberAt(values, right)).map(
    ([left, right]) => ({
      kind: "torn",
      key: left,
      text: `${left} has number ${numberAt(values, left)}, and ${right}, of the same commit, ${numberAt(values, right)}`,
    }),
  );
}

function numberAt(values, key) {
  const value = values.get(key);
  return isWhole(value) ? value?.number : "none";
}

function textOf({ key, answered, found }) {
  const { what, version, sentAtMs, answeredAtMs } = answered;
  const seconds = (ms) => `${(ms / 1000).toFixed(3)} s`;
  const before =
    version === 0
      ? "was never answered anything"
      : `${what} was sent at ${seconds(sentAtMs)} and answered at ${seconds(answeredAtMs)} as version ${version}`;
  return `${key}: ${before}; found: ${found}`;
}
