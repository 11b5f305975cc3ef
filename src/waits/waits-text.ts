import type { WaitEdge, WaitGraph, WaitNode } from "./types.js";

/**
 * A graph as lines: deadlocks first, then chains, the longest wait first. Names include their rank if there are
 * several.
 */
export function waitLines({ deadlocks, chains }: WaitGraph, showsRanks = false): string[] {
  return [
    ...deadlocks.map((ring) => `deadlock: ${chainText(ring, showsRanks)}`),
    ...chains.map((chain) => chainText(chain, showsRanks)),
  ];
}

/** `client-7 → kvs.commit 12.1 s → content.store 12.0 s → content-sqlite (silent 12.0 s)`. */
export function chainText(chain: readonly WaitEdge[], showsRanks = false): string {
  const [first] = chain;
  const last = chain.at(-1);
  if (first === undefined || last === undefined) return "";
  return [nameOf(first.from, showsRanks), ...chain.map(edgeText), endText(last.to, showsRanks)].join(" → ");
}

function edgeText({ topic, seconds, count, isHeld }: WaitEdge): string {
  const notes = [...(count > 1 ? [`${count} open`] : []), ...(isHeld ? ["held"] : [])];
  return `${topic} ${secondsText(seconds)}${notes.length > 0 ? ` (${notes.join(", ")})` : ""}`;
}

function endText(node: WaitNode, showsRanks: boolean): string {
  const { state, seconds } = node;
  if (state === undefined) return nameOf(node, showsRanks);
  return `${nameOf(node, showsRanks)} (${state}${seconds === undefined ? "" : ` ${secondsText(seconds)}`})`;
}

function nameOf({ name, rank }: WaitNode, showsRanks: boolean): string {
  return showsRanks && rank !== undefined && name !== `rank ${rank}` ? `${name}[${rank}]` : name;
}

function secondsText(seconds: number): string {
  return `${seconds.toFixed(1)} s`;
}
