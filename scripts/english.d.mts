export interface Sentence {
  readonly file?: string;
  readonly line: number;
  readonly text: string;
}
export function sentencesOfTree(): Sentence[];
export function breaches(sentences: readonly Sentence[]): (Sentence & { readonly rule: string })[];
export function passives(sentences: readonly Sentence[]): Sentence[];
export function fromMarkdown(source: string): Sentence[];
export function fromStrings(source: string): Sentence[];
