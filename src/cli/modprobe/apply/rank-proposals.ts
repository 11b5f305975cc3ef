import { fields, type Handle, type JsonValue, RemoteCommand } from "../../../messages/index.js";
import { ExitError } from "../../terminal/output.js";
import { sameCommand } from "../delegate.js";
import type { OnRanksOptions } from "../ranks.js";
import { ranksIn } from "../../ranks/ranks.js";
import type { Proposal } from "./propose.js";

/** The ranks of an apply. */
export function ranksOf(handle: Handle | undefined, { onRanks }: OnRanksOptions): number[] {
  if (handle === undefined) return [];
  return onRanks === undefined ? [handle.rank] : ranksIn(onRanks, handle.size);
}

/**
 * Makes another rank compose and plan by its own files and facts.
 * @throws ExitError if it cannot, after it has printed the reason
 */
export async function proposalOfRank(handle: Handle, rank: number): Promise<Proposal> {
  const pieces: Buffer[] = [];
  const command = new RemoteCommand(handle, rank, {
    command: [...sameCommand(), "--propose"],
    cwd: process.cwd(),
    env: process.env,
    stdin: false,
    onOutput: (stream, bytes) => {
      if (stream === "stdout") pieces.push(Buffer.from(bytes));
      else process.stderr.write(bytes);
    },
  });
  const { status } = await command.ended;
  if (status !== 0) throw new ExitError(1, `rank ${rank}: its plan failed; no rank has changed`);
  const answer = JSON.parse(Buffer.concat(pieces).toString("utf8")) as JsonValue;
  return fields(answer, {
    lines: "string[]",
    rest: "string[]",
    report: "object",
    changes: "integer",
    steps: "json",
  });
}
