/** The signals by which a person or a service manager ends a whole process group, or a whole service, at once. */
const GROUP_SIGNALS = ["SIGINT", "SIGTERM"] as const;

/**
 * Has this process outlive them: whoever started it ends it in order, over a channel, and when that closes it ends anyway.
 * Programs that it starts are not affected.
 */
export function outliveSignals(): void {
  for (const signal of GROUP_SIGNALS) process.on(signal, () => undefined);
}
