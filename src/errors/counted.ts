/** `1 error`, `2 errors`: how many there are, in words of every message. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
