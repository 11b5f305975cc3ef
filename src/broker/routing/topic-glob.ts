/**
 * Compiles a pattern of topics with the rules of a shell. `*` is any text, dots too, `?` one character,
 * `[a-c]` and `[!a-c]` one of a set, `\` takes the next character as it is.
 *
 * Every `*` first matches as little as it can. It grows only when the part after it fails. So no pattern takes
 * more steps than the lengths of pattern and topic multiplied.
 */
export function topicGlob(pattern: string): (topic: string) => boolean {
  const steps = compile(Array.from(pattern));
  return (topic) => matches(steps, Array.from(topic));
}

type Step = "any-text" | ((character: string) => boolean);

function compile(pattern: readonly string[]): Step[] {
  const steps: Step[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at] ?? "";
    if (character === "*") {
      if (steps.at(-1) !== "any-text") steps.push("any-text");
    } else if (character === "?") {
      steps.push(() => true);
    } else if (character === "[") {
      const set = readSet(pattern, at);
      steps.push(set?.test ?? ((other) => other === "["));
      at = set?.end ?? at;
    } else {
      if (character === "\\" && at + 1 < pattern.length) at += 1;
      const wanted = pattern[at];
      steps.push((other) => other === wanted);
    }
  }
  return steps;
}

/**
 * A set in brackets that begins here; undefined without a closing bracket, in which case the bracket is an ordinary
 * character.
 */
function readSet(
  pattern: readonly string[],
  start: number,
): { readonly test: (character: string) => boolean; readonly end: number } | undefined {
  const isNegated = pattern[start + 1] === "!" || pattern[start + 1] === "^";
  const first = start + (isNegated ? 2 : 1);
  // A bracket in the first place belongs to the set.
  const end = pattern.indexOf("]", first + 1);
  if (end === -1) return undefined;
  const ranges: (readonly [from: string, to: string])[] = [];
  for (let at = first; at < end; at++) {
    const from = pattern[at] ?? "";
    const to = pattern[at + 1] === "-" && at + 2 < end ? (pattern[at + 2] ?? "") : from;
    ranges.push([from, to]);
    if (to !== from) at += 2;
  }
  const test = (character: string): boolean =>
    ranges.some(([from, to]) => from <= character && character <= to) !== isNegated;
  return { test, end };
}

function matches(steps: readonly Step[], text: readonly string[]): boolean {
  let step = 0;
  /** Where to continue when a character fails: after the last `*`, which then takes one character more. */
  let retry: { readonly step: number; at: number } | undefined;
  for (let at = 0; at < text.length;) {
    const wanted = steps[step];
    if (wanted === "any-text") {
      step += 1;
      retry = { step, at };
    } else if (wanted?.(text[at] ?? "") === true) {
      step += 1;
      at += 1;
    } else if (retry !== undefined) {
      retry.at += 1;
      ({ step, at } = retry);
    } else {
      return false;
    }
  }
  return steps.slice(step).every((rest) => rest === "any-text");
}
