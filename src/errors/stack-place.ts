/**
 * The place of a stack, of Node or of Python, in a file. In Node's stacks the latest call comes first, in Python's
 * last.
 * @param path of the file, in the same form as in the stack
 * @returns `LINE:COLUMN`, for Python `LINE`; undefined if the file is not in the stack
 */
export function placeInStack(stack: string, path: string): string | undefined {
  const file = path.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const node = new RegExp(`${file}(?:\\?[^:\\s]*)?:(\\d+:\\d+)`).exec(stack)?.[1];
  return node ?? [...stack.matchAll(new RegExp(`File "${file}", line (\\d+)`, "g"))].at(-1)?.[1];
}
