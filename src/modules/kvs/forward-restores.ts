import { messageOf } from "../../errors/index.js";
import { type Handle, type Payload, requestFields } from "../../messages/index.js";

/** A restore that a client of this rank has begun. */
interface Begun {
  readonly sender: string;
  /** `{id}`, from rank 0. */
  readonly answer: Promise<{ readonly id: string }>;
}

/**
 * Passes on the beginning and the end of restores. For rank 0 this module is the client of all of them. It therefore
 * abandons a restore itself when the client of this rank disconnects.
 */
export function forwardRestores(h: Handle): void {
  const begun = new Set<Begun>();
  const pass = (method: string, payload: Payload): Promise<Payload> =>
    h.rpc(`${h.name}.${method}`, payload, { rank: "upstream" });
  h.handle("restore-begin", ({ sender, payload }) => {
    const answer = pass("restore-begin", payload).then((begin) => requestFields(begin, { id: "string" }));
    const entry = { sender, answer };
    begun.add(entry);
    answer.catch(() => begun.delete(entry));
    return answer;
  });
  h.handle("restore-end", async ({ payload }) => {
    const { id } = requestFields(payload, { id: "string" });
    try {
      return await pass("restore-end", payload);
    } finally {
      for (const entry of begun) {
        const forget = (answer: { readonly id: string }): void => {
          if (answer.id === id) begun.delete(entry);
        };
        entry.answer.then(forget, () => undefined);
      }
    }
  });
  h.handle("disconnect", (request) => {
    for (const entry of begun) {
      if (entry.sender !== request.sender) continue;
      begun.delete(entry);
      entry.answer
        .then((answer) => pass("restore-abandon", answer))
        .catch((error: unknown) => h.log("debug", `cannot abandon a restore: ${messageOf(error)}`));
    }
    h.respond(request);
  });
}
