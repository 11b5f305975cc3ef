import { useEffect, useState } from "preact/hooks";
import { api } from "./session.js";
import { messageOf } from "./texts.js";

export interface Answer<T> {
  readonly value: T | undefined;
  readonly problem: string;
}

/**
 * The answer of the server; requests it again when the path or `again` changes. It returns the previous answer until
 * then.
 * @param path undefined: no request
 */
export function useAnswer<T>(path: string | undefined, again?: unknown): Answer<T> {
  const [answer, setAnswer] = useState<Answer<T> & { readonly path?: string | undefined }>({
    value: undefined,
    problem: "",
  });
  useEffect(() => {
    if (path === undefined) return undefined;
    const ended = new AbortController();
    const { signal } = ended;
    api<T>(path, undefined, signal).then(
      (value) => setAnswer({ value, problem: "", path }),
      (error: unknown) => {
        if (!signal.aborted) setAnswer({ value: undefined, problem: messageOf(error), path });
      },
    );
    return () => ended.abort();
  }, [path, again]);
  return answer;
}
