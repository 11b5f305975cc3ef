import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/** The system gives ports from here on by itself: one of these may be taken before a test uses it. */
const EPHEMERAL_FROM = 32_768;
const LOWEST = 10_000;

/** A port that nothing listens on, and that the system gives to nothing by itself. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(LOWEST, EPHEMERAL_FROM);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, () => server.close(() => resolve(true)));
  });
}
