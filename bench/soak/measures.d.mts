export interface SoakSample {
  readonly held: Readonly<Record<string, number>>;
  readonly memory: Readonly<Record<string, number>>;
}
export function countHeld(pendingRequests: number): Record<string, number>;
export function weigh(): Record<string, number>;
export function brokenBounds(first: SoakSample, last: SoakSample, growth: number): string[];
