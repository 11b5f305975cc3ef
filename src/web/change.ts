/** A part of the data of pages, in the form that they receive. */
export type Change = Readonly<Record<string, unknown>> & { readonly part: string };
