import type { Change, Model, Picture } from "./model.js";
import {
  api,
  ask,
  channel,
  connection,
  knownToken,
  post,
  type Session,
  session,
  type TabMessage,
} from "./session.js";

/** The time between two tries to reach the server. */
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 5000;

/** The stream of events. One tab of the browser reads it, and passes it on to the others. */
export class EventStream {
  readonly #model: Model;
  readonly #onRefused: () => void;
  readonly #ended = new AbortController();
  #lastId = "";
  #isLeader = false;
  #hasPicture = false;

  constructor(model: Model, onRefused: () => void) {
    this.#model = model;
    this.#onRefused = onRefused;
  }

  start(): void {
    channel.addEventListener("message", this.#onTab);
    // An open stream would count among the streams of the browser and of the server until they notice its end.
    addEventListener("pagehide", () => this.#ended.abort());
    addEventListener("pageshow", (event) => event.persisted && location.reload());
    post({ type: "hello" });
    const { signal } = this.#ended;
    const read = (): Promise<void> => this.#lead();
    // Undefined where the page comes neither encrypted nor from this machine.
    const locks = navigator.locks as LockManager | undefined;
    if (locks === undefined) void read();
    else void locks.request(`sluice:${location.pathname}`, { signal }, read).catch(() => undefined);
  }

  readonly #onTab = ({ data }: MessageEvent<TabMessage>): void => {
    switch (data.type) {
      case "token?":
        if (knownToken() !== "") post({ type: "token", token: knownToken() });
        return;
      case "hello":
        if (this.#isLeader && this.#hasPicture) this.#pass("picture", JSON.stringify(this.#model.picture()));
        return;
      case "event":
        if (!this.#isLeader && (this.#hasPicture || data.name === "picture")) this.#take(data);
        return;
      case "token":
        return;
    }
  };

  async #lead(): Promise<void> {
    this.#isLeader = true;
    let waitMs = FIRST_WAIT_MS;
    while (!this.#hasEnded()) {
      try {
        const isRefused = await this.#read(() => (waitMs = FIRST_WAIT_MS));
        if (isRefused) {
          this.#onRefused();
          return;
        }
      } catch {
        // The page tries again, because the server has ended or cannot be reached.
      }
      if (this.#hasEnded()) return;
      connection.value = "lost";
      this.#pass("lost", "{}");
      await new Promise((resolve) => setTimeout(resolve, Math.min(waitMs, LONGEST_WAIT_MS)));
      waitMs = Math.min(LONGEST_WAIT_MS, waitMs * 2);
    }
  }

  #hasEnded(): boolean {
    return this.#ended.signal.aborted;
  }

  /** Reads one stream to its end. @returns whether the token was refused */
  async #read(onOpen: () => void): Promise<boolean> {
    const { signal } = this.#ended;
    const headers = this.#lastId === "" ? undefined : { "Last-Event-ID": this.#lastId };
    const response = await ask("api/events", { signal, ...(headers !== undefined && { headers }) });
    if (response.status === 403) return true;
    if (!response.ok || response.body === null) throw new Error(response.statusText);
    onOpen();
    // The server may have restarted with other options meanwhile.
    session.value = await api<Session>("api/session", undefined, signal);
    connection.value = "live";
    this.#pass("live", "{}");
    const decoder = new TextDecoder();
    const reader = response.body.getReader();
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return false;
      text += decoder.decode(value, { stream: true });
      const blocks = text.split("\n\n");
      text = blocks.pop() ?? "";
      for (const block of blocks) this.#event(block);
    }
  }

  #event(block: string): void {
    const fields = new Map(
      block.split("\n").flatMap((line) => {
        const at = line.indexOf(": ");
        return at > 0 ? [[line.slice(0, at), line.slice(at + 2)] as const] : [];
      }),
    );
    const [name, data, id] = [fields.get("event"), fields.get("data"), fields.get("id")];
    if (name === undefined || data === undefined) return;
    this.#lastId = id ?? this.#lastId;
    this.#take({ id: this.#lastId, name, data });
    this.#pass(name, data);
  }

  #take({ id, name, data }: { readonly id: string; readonly name: string; readonly data: string }): void {
    this.#lastId = id;
    if (name === "lost" || name === "live") {
      connection.value = name;
      return;
    }
    const value: unknown = JSON.parse(data);
    if (name === "picture") {
      this.#hasPicture = true;
      this.#model.show(value as Picture);
      if (!this.#isLeader) connection.value = "live";
    } else this.#model.apply(value as Change);
  }

  #pass(name: string, data: string): void {
    post({ type: "event", id: this.#lastId, name, data });
  }
}
