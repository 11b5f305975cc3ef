import type { Readable } from "node:stream";
import { systemMessage } from "../../errors/index.js";
import type { RemoteCommand } from "../../messages/index.js";

/**
 * Passes the bytes of standard input on to every command that still takes them. It reads the next piece when
 * all ranks have taken the last one. A slow rank therefore makes no data pile up.
 */
export class RankInput {
  readonly #source: Readable;
  readonly #takers: Set<RemoteCommand>;
  readonly #onError: (error: unknown) => void;

  /**
   * @param onError receives errors of reading or passing on; the remaining commands then find the end of their input
   */
  constructor(source: Readable, commands: readonly RemoteCommand[], onError: (text: string) => void) {
    this.#source = source;
    this.#takers = new Set(commands);
    this.#onError = (error) => onError(`standard input: ${systemMessage(error)}`);
    source.on("data", (bytes: Buffer) => {
      source.pause();
      void this.#pass(bytes);
    });
    source.once("end", () => void this.#end());
    source.once("error", (error) => {
      this.#onError(error);
      void this.#end();
    });
  }

  /** Reads no more. */
  close(): void {
    this.#takers.clear();
    this.#source.destroy();
  }

  async #pass(bytes: Buffer): Promise<void> {
    await this.#each(async (command) => {
      if (!(await command.write(bytes))) this.#takers.delete(command);
    });
    if (this.#takers.size === 0) this.close();
    else this.#source.resume();
  }

  #end(): Promise<void> {
    return this.#each((command) => command.endInput());
  }

  /** A failed command has reported its failure itself. The others continue. */
  async #each(act: (command: RemoteCommand) => Promise<void>): Promise<void> {
    await Promise.all(
      [...this.#takers].map(async (command) => {
        try {
          await act(command);
        } catch (error) {
          this.#takers.delete(command);
          this.#onError(error);
        }
      }),
    );
  }
}
