/** The signals by which a user or a service manager ends a whole process group, or a whole service, at once. */
const GROUP_SIGNALS = ["SIGINT", "SIGTERM"] as const;

/**
 * Makes this process ignore them: its parent ends it cleanly over a channel. It also ends when the channel
 * closes. This does not affect the programs that it starts.
 */
export function outliveSignals(): void {
  for (const signal of GROUP_SIGNALS) process.on(signal, () => undefined);
}
