export interface PlannedRound {
  readonly number: number;
  readonly provider?: string;
  readonly policy?: string;
  readonly steps: readonly { readonly sort: string; readonly puts?: number }[];
}

export function planRound(
  options: { seed: string; sorts: readonly string[]; providers?: readonly string[] },
  number: number,
): PlannedRound;
