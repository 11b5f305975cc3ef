/** `1 error`, `2 errors`: a number with its noun, in the form for messages. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
