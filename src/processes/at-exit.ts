const callbacks = new Set<() => void>();

function callAll(): void {
  for (const callback of callbacks) callback();
}

/**
 * Calls back when this process exits, without a wait for promises. All callers share one listener, because Node warns
 * of many.
 * @returns a function that removes the callback
 */
export function atExit(callback: () => void): () => void {
  if (callbacks.size === 0) process.on("exit", callAll);
  callbacks.add(callback);
  return () => {
    callbacks.delete(callback);
    if (callbacks.size === 0) process.off("exit", callAll);
  };
}
