/** A part of what pages show, as they get it. */
export type Change = Readonly<Record<string, unknown>> & { readonly part: string };
