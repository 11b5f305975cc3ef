import type { Handle } from "../../messages/index.js";

/** Why a server ends. */
export type ServerEnd = { readonly kind: "signal"; readonly status: number } | { readonly kind: "instance" };

/** Resolves when a server is to end: by Ctrl-C, by SIGTERM from a service manager, or with its instance. */
export async function untilEnded(handle: Handle | undefined): Promise<ServerEnd> {
  const listeners: (() => void)[] = [];
  try {
    return await new Promise<ServerEnd>((resolve) => {
      const statuses = { SIGINT: 130, SIGTERM: 0, SIGHUP: 129 } as const;
      for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
        const listener = (): void => resolve({ kind: "signal", status: statuses[signal] });
        process.on(signal, listener);
        listeners.push(() => process.off(signal, listener));
      }
      void handle?.closed.then(() => resolve({ kind: "instance" }));
    });
  } finally {
    for (const stop of listeners) stop();
  }
}
