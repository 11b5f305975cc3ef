export interface SoakSample {
  readonly held: Readonly<Record<string, number>>;
  readonly memory: Readonly<Record<string, number>>;
}
export function countHeld(pendingRequests: number, mark?: string): Record<string, number>;
export function weigh(): Record<string, number>;
export function longPauses(
  pauses: readonly { readonly rank: number; readonly longestMs: number }[],
  mostMs: number,
): string[];
export function brokenBounds(first: SoakSample, last: SoakSample, growth: number): string[];
