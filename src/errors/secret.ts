/** The replacement for a secret value (docs/design/programs.md §3). */
export const SECRET = "(secret)";

/** A command without its arguments: it keeps the program of an argv, and hides a whole shell line. */
export function withoutArguments(command: string | readonly string[]): string | readonly string[] {
  if (typeof command === "string") return SECRET;
  return command.length < 2 ? command : [...command.slice(0, 1), SECRET];
}

/** A command in one line, in the form for messages and lists. */
export function commandText(command: string | readonly string[], isSecret = false): string {
  const shown = isSecret ? withoutArguments(command) : command;
  return typeof shown === "string" ? shown : shown.join(" ");
}
