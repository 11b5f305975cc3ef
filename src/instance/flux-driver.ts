import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { isErrno, messageOf, SluiceError } from "../errors/index.js";
import { connectHandle, type Handle, socketChannel } from "../messages/index.js";
import {
  commandEndText,
  isSuccess,
  processEnd,
  pythonEnvironment,
  startProcess,
  startTimer,
} from "../processes/index.js";

/** A live Flux instance that is driven by a helper in Flux's own Python (docs/design/flux.md §2). */
export interface FluxDriver {
  /** Answers the requests that a broker would answer, from the Flux instance. */
  readonly handle: Handle;
  /** Where other programs connect to it, such as hosts of rc files. */
  readonly uri: string;
  /** Ends the helper; pending requests fail. */
  close(): Promise<void>;
}

/** Milliseconds that the helper may take to end by itself. */
const EXIT_MS = 2000;

/** How much of the helper's standard error the driver keeps for the error message when the helper ends. */
const WORDS_KEPT = 2000;

/**
 * Starts the helper, `flux python -m sluice.flux_driver`, inside the Flux instance of `FLUX_URI`.
 * @param env of the helper
 * @param onEnd called with the reason for its end, unless it was closed
 * @throws SluiceError `BROKER_UNREACHABLE`: no `FLUX_URI`, no command `flux`, or no instance there
 */
export async function startFluxDriver(
  env: NodeJS.ProcessEnv,
  onEnd: (text: string) => void,
): Promise<FluxDriver> {
  if (!env["FLUX_URI"]) {
    throw unreachable(
      "no Flux instance: FLUX_URI is not set; run the command inside an instance, or under 'flux proxy'",
    );
  }
  const directory = await mkdtemp(join(tmpdir(), "sluice-flux-"));
  try {
    const helper = new Helper(env, join(directory, "driver"), onEnd);
    const close = async (): Promise<void> => {
      await helper.close();
      await rm(directory, { recursive: true, force: true });
    };
    return { handle: await helper.connect(), uri: `local://${join(directory, "driver")}`, close };
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

class Helper {
  readonly #stream: Duplex;
  readonly #ended: Promise<string>;
  readonly #kill: () => void;
  readonly #onEnd: (text: string) => void;
  /** Resolves when the reason for an unrequested end of the helper has been reported. */
  #lost: Promise<void> | undefined;
  #words = "";
  #handle: Handle | undefined;
  #isClosing = false;

  constructor(env: NodeJS.ProcessEnv, socketPath: string, onEnd: (text: string) => void) {
    const child = startProcess("flux", ["python", "-m", "sluice.flux_driver", socketPath], {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...env, ...pythonEnvironment(env) },
    });
    child.stderr.on(
      "data",
      (chunk: Buffer) => (this.#words = (this.#words + chunk.toString()).slice(-WORDS_KEPT)),
    );
    child.stdin.on("error", () => undefined);
    this.#stream = Duplex.from({ readable: child.stdout, writable: child.stdin });
    this.#kill = () => child.kill("SIGKILL");
    this.#ended = processEnd(child).then(
      (end) => (isSuccess(end) ? "ended" : commandEndText(end)),
      (error: unknown) =>
        isErrno(error, "ENOENT")
          ? "could not be started: PATH has no command 'flux'"
          : `could not be started: ${messageOf(error)}`,
    );
    this.#onEnd = onEnd;
    void this.#ended.then(() => this.#stream.destroy());
  }

  /** @throws SluiceError `BROKER_UNREACHABLE` with the words of the helper */
  async connect(): Promise<Handle> {
    try {
      const handle = await connectHandle(socketChannel(this.#stream));
      this.#handle = handle;
      this.#lost = handle.closed.then(() => this.#sayWhy());
      return handle;
    } catch (cause) {
      this.#kill();
      throw unreachable(this.#reason(await this.#ended), cause);
    }
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#handle?.close();
    const timer = startTimer(EXIT_MS, this.#kill);
    await this.#ended;
    await this.#lost;
    timer.cancel();
  }

  /** Reports why the connection ended, unless this end closed it. */
  async #sayWhy(): Promise<void> {
    if (this.#isClosing) return;
    this.#kill();
    this.#onEnd(this.#reason(await this.#ended));
  }

  #reason(how: string): string {
    const words = this.#words.trim();
    return `the driver of Flux ${how}${words === "" ? "" : `: ${words}`}`;
  }
}

function unreachable(message: string, cause?: unknown): SluiceError {
  return new SluiceError("BROKER_UNREACHABLE", message, { cause });
}
