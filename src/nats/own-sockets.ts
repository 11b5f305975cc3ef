import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";

/** The sockets of the attempt that the running code belongs to. */
const attempts = new AsyncLocalStorage<Set<Socket>>();
let underWay = 0;

/**
 * Runs an attempt to connect, and destroys the sockets that it opened if it fails. The NATS library leaves
 * them open after its time-out. Such a process would never end.
 */
export async function withoutRemains<T>(connect: () => Promise<T>): Promise<T> {
  const sockets = new Set<Socket>();
  if (underWay++ === 0) subscribe(CHANNEL, note);
  try {
    return await attempts.run(sockets, connect);
  } catch (error) {
    for (const socket of sockets) socket.destroy();
    throw error;
  } finally {
    if (--underWay === 0) {
      unsubscribe(CHANNEL, note);
      // The storage makes every promise of the process slower. This therefore disables it again.
      attempts.disable();
    }
  }
}

/** Where Node reports each socket of a client when it is made. */
const CHANNEL = "net.client.socket";

function note(message: unknown): void {
  const { socket } = message as { readonly socket: Socket };
  attempts.getStore()?.add(socket);
}
