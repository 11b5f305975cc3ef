import type { Event, Handle } from "../types.js";

/**
 * Receives the events of a topic as long as a module runs: after missed events it subscribes again. A module that cannot fails.
 * @param missed called after each gap, as soon as further events are received: now the module has to read anew whatever the
 *   events report
 * @throws SluiceError as {@link Handle.subscribe}
 */
export async function followEvents(
  h: Handle,
  topic: string,
  listener: (event: Event) => void,
  missed: () => void = () => undefined,
): Promise<void> {
  const subscribe = (): Promise<void> => h.subscribe(topic, listener, { onEnd: () => void again() });
  const again = async (): Promise<void> => {
    try {
      await subscribe();
      missed();
    } catch (error) {
      h.stop(error instanceof Error ? error : new Error(String(error)));
    }
  };
  await subscribe();
}
