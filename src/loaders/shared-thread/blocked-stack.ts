import type { Session } from "node:inspector";

/** One call on the stack of a thread, innermost first. */
export interface StackCall {
  readonly name: string;
  /** As in the loaded code: a URL or a path; empty for code without a file. */
  readonly url: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
}

/** How long a thread may take to report its stack. A thread inside a blocking system call does not. */
const ANSWER_MS = 5000;

interface Pause {
  readonly callFrames: readonly {
    readonly functionName: string;
    readonly location: {
      readonly scriptId: string;
      readonly lineNumber: number;
      readonly columnNumber?: number;
    };
  }[];
}

/**
 * The stack of a worker thread that does not answer. The engine interrupts it only for a moment. No port is
 * opened.
 * @returns undefined if it cannot be interrupted
 */
export async function stackOfThread(threadId: number): Promise<readonly StackCall[] | undefined> {
  const { Session } = process.getBuiltinModule("node:inspector");
  const session = new Session();
  session.connect();
  try {
    return await new Promise((resolve) => {
      const timer = setTimeout(() => resolve(undefined), ANSWER_MS);
      ask(session, threadId, (stack) => {
        clearTimeout(timer);
        resolve(stack);
      });
    });
  } finally {
    session.disconnect();
  }
}

function ask(session: Session, threadId: number, answer: (stack: readonly StackCall[]) => void): void {
  const urls = new Map<string, string>();
  let wanted = "";
  let lastId = 0;
  const send = (method: string): void => {
    const message = JSON.stringify({ id: ++lastId, method });
    session.post("NodeWorker.sendMessageToWorker", { sessionId: wanted, message });
  };
  session.on("NodeWorker.attachedToWorker", ({ params }) => {
    // `workerId` is a count of the session. The title has the thread's own number.
    if (!params.workerInfo.title.startsWith(`[worker ${threadId}]`)) return;
    wanted = params.sessionId;
    send("Debugger.enable");
    send("Debugger.pause");
  });
  session.on("NodeWorker.receivedMessageFromWorker", ({ params }) => {
    if (params.sessionId !== wanted) return;
    const { method, params: said } = JSON.parse(params.message) as { method?: string; params?: unknown };
    if (method === "Debugger.scriptParsed") {
      const { scriptId, url } = said as { readonly scriptId: string; readonly url: string };
      urls.set(scriptId, url);
    } else if (method === "Debugger.paused") {
      send("Debugger.resume");
      send("Debugger.disable");
      answer(callsOf(said as Pause, urls));
    }
  });
  session.post("NodeWorker.enable", { waitForDebuggerOnStart: false });
}

function callsOf({ callFrames }: Pause, urls: ReadonlyMap<string, string>): StackCall[] {
  return callFrames.map(({ functionName, location }) => ({
    name: functionName,
    url: urls.get(location.scriptId) ?? "",
    line: location.lineNumber + 1,
    column: (location.columnNumber ?? 0) + 1,
  }));
}
