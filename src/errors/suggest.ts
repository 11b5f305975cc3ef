import { distance } from "fastest-levenshtein";

/**
 * The hint for an unknown name, or undefined if no known name is close.
 * @param known known names; of equally close ones the first wins
 * @param lettersPerSlip one letter in so many may differ; a larger number for names that may be right although they
 *   are unknown
 */
export function didYouMean(name: string, known: Iterable<string>, lettersPerSlip = 3): string | undefined {
  // At least one letter may differ. A name that differs in all letters is another name.
  const limit = Math.min(Math.max(1, Math.floor(name.length / lettersPerSlip)), name.length - 1);
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) >= bestDistance) continue;
    const d = isSwapped(name, candidate) ? 1 : distance(name, candidate);
    if (d < bestDistance) {
      best = candidate;
      bestDistance = d;
    }
  }
  return best === undefined ? undefined : `did you mean '${best}'?`;
}

/** Whether two neighbours have changed places and nothing else: one slip of the fingers, not two. */
function isSwapped(name: string, candidate: string): boolean {
  let at = 0;
  while (at < name.length && name[at] === candidate[at]) at += 1;
  return (
    name.length === candidate.length &&
    at + 1 < name.length &&
    name[at] === candidate[at + 1] &&
    name[at + 1] === candidate[at] &&
    name.slice(at + 2) === candidate.slice(at + 2)
  );
}
