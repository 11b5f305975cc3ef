export type Value = Readonly<Record<string, unknown>> | undefined;

export interface Commit {
  readonly puts: readonly { readonly key: string }[];
}

export interface Judgement {
  readonly kind: "loss" | "torn";
  readonly key: string;
  readonly answered: { readonly what: string; readonly version: number };
  readonly found: string;
}

export interface View {
  judge(key: string, value: Value): Judgement | undefined;
}

export class Ledger {
  constructor(now?: () => number);
  readonly keys: string[];
  readonly version: number;
  readonly answered: number;
  begin(commit: { writer: number; number: number; values: Readonly<Record<string, Value>> }): Commit;
  answer(commit: Commit, version: number): string | undefined;
  fail(commit: Commit, lingersMs?: number): void;
  sawVersion(version: number): string | undefined;
  settle(key: string, value: Value): void;
  copy(): ReadonlyMap<string, unknown>;
  setBack(copy: ReadonlyMap<string, unknown>): void;
  view(): View;
  judge(key: string, value: Value): Judgement | undefined;
}

export function valueOf(writer: number, number: number, sizeBytes: number): Readonly<Record<string, unknown>>;
