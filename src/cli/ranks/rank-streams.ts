import type { Handle, NodeId, Payload, RpcOptions } from "../../messages/index.js";
import { commandPrefix, ExitError, sayError } from "../terminal/output.js";
import { type RankOptions, ranksIn } from "./ranks.js";
import { untilInterrupted, withInstance } from "../session.js";

interface RankStream {
  /** Begins the stream of one rank; `any` if the command names no rank. */
  readonly open: (handle: Handle, options: RpcOptions & { readonly rank: NodeId }) => AsyncIterable<Payload>;
  /**
   * Shows a response, with the rank that it comes from if the user named several.
   * @returns `"enough"` ends all streams
   */
  readonly show: (payload: Payload, rank: number | undefined) => "enough" | undefined;
}

/**
 * Shows the streams of every named rank as they come. It ends when all have ended, at Ctrl-C, or when the reader has
 * gone. A rank that fails prints the reason while the others continue. The status is then 1.
 */
export async function followRanks(options: RankOptions, { open, show }: RankStream): Promise<void> {
  await withInstance(options, (handle) =>
    untilInterrupted(async (interrupted) => {
      const enough = new AbortController();
      const signal = AbortSignal.any([interrupted, enough.signal]);
      const follow = async (rank: number | undefined, label: number | undefined): Promise<void> => {
        for await (const payload of open(handle, { rank: rank ?? "any", signal })) {
          if (enough.signal.aborted) return;
          if (show(payload, label) === "enough") enough.abort();
        }
      };
      if (options.rank === undefined) {
        await follow(undefined, undefined).catch(unlessAborted(signal));
        return;
      }
      const ranks = ranksIn(options.rank, handle.size);
      const failed: number[] = [];
      const fail = (rank: number, error: unknown): void => {
        failed.push(rank);
        // At once, because the others may run for long.
        sayError(error, `${commandPrefix()}: rank ${rank}`);
      };
      await Promise.all(
        ranks.map((rank) =>
          follow(rank, ranks.length > 1 ? rank : undefined)
            .catch(unlessAborted(signal))
            .catch((error: unknown) => fail(rank, error)),
        ),
      );
      if (failed.length > 0) throw new ExitError(1);
    }),
  );
}

/** Treats the error of a stream that this command has ended as its normal end. */
function unlessAborted(signal: AbortSignal): (error: unknown) => void {
  return (error) => {
    if (!signal.aborted) throw error;
  };
}
