/** The additional actions of the shell, as a sum. The shells' scripts have the same numbers. */
export const DIRECTIVE = { noSpace: 2, noFiles: 4 } as const;

/** One word that may stand at the cursor. */
export interface Candidate {
  readonly value: string;
  readonly description?: string;
}

/** The candidates for the next word. */
export interface Answer {
  readonly candidates: readonly Candidate[];
  /** Whether file names may stand there too. */
  readonly files: boolean;
  /** The same word continues, as after `name=`. */
  readonly noSpace: boolean;
}

export const NOTHING: Answer = { candidates: [], files: false, noSpace: false };

/**
 * One line for each candidate, with a tab before its description, and a last line with the sum of {@link DIRECTIVE}.
 */
export function answerLines({ candidates, files, noSpace }: Answer): string[] {
  const directive = (noSpace ? DIRECTIVE.noSpace : 0) + (files ? 0 : DIRECTIVE.noFiles);
  return [
    ...candidates.map(({ value, description = "" }) => `${value}\t${firstLine(description)}`),
    `:${directive}`,
  ];
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? "";
}
