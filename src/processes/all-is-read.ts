import { setImmediate as nextTurn } from "node:timers/promises";

/**
 * Resolves when all that was in any pipe before the call has been read. The first turn ends with the poll that is under
 * way: it may have looked at a pipe before something was written there. The second has a poll of its own.
 */
export async function allIsRead(): Promise<void> {
  await nextTurn();
  await nextTurn();
}
