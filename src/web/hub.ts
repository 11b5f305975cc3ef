import { randomBytes } from "node:crypto";
import type { ServerResponse } from "node:http";
import { startInterval, type Timer } from "../processes/index.js";

/** Pages that may be open at a time, each in a browser of its own: the tabs of one share a stream. */
const MOST_STREAMS = 64;

/** The limit of waiting data in one stream. A slower page gets one new full state in place of the missed changes. */
const MOST_WAITING_BYTES = 1024 * 1024;

/** The number of changes that the server keeps for a page that reconnects. */
const KEPT_CHANGES = 512;
const KEPT_BYTES = 1024 * 1024;

/** The server closes a stream after this number of comments that the client did not take. */
const SILENT_COMMENTS = 8;

/** A change in the form that is sent. */
interface KeptChange {
  readonly seq: number;
  readonly text: string;
}

export interface HubOptions {
  /** The id of the instance. Numbers of another instance have no meaning here. */
  readonly uuid: string;
  /** All the data of a page, as it is now. */
  readonly picture: () => unknown;
  /** The time between two comments, which detect streams without a reader. */
  readonly commentMs: number;
}

/** The streams of events of all pages (docs/design/web.md §1). */
export class Hub {
  readonly #options: HubOptions;
  /** Has a part of this server's own, so that its numbers begin again with it. */
  readonly #epoch: string;
  readonly #streams = new Set<Stream>();
  readonly #timer: Pick<Timer, "cancel">;
  #kept: KeptChange[] = [];
  #keptBytes = 0;
  #seq = 0;

  constructor(options: HubOptions) {
    this.#options = options;
    this.#epoch = `${options.uuid}.${randomBytes(6).toString("hex")}`;
    this.#timer = startInterval(options.commentMs, () => this.#comment());
  }

  get size(): number {
    return this.#streams.size;
  }

  /**
   * Opens a stream. It begins with the changes after the number that the page has, else with a full picture.
   * @returns false if there are too many streams
   */
  open(response: ServerResponse, lastEventId: string | undefined): boolean {
    if (this.#streams.size >= MOST_STREAMS) return false;
    response.writeHead(200, {
      "Content-Type": "text/event-stream; charset=utf-8",
      "X-Accel-Buffering": "no",
    });
    const stream = new Stream(response, () => this.#pictureText());
    this.#streams.add(stream);
    response.on("close", () => this.#streams.delete(stream));
    const missed = this.#after(lastEventId);
    if (missed === undefined) stream.showPicture();
    else {
      response.write(": the missed changes follow\n\n");
      for (const { text } of missed) stream.write(text);
    }
    return true;
  }

  /** Sends a change to all pages. */
  publish(change: unknown): void {
    this.#seq += 1;
    const text = this.#event("change", change);
    this.#kept.push({ seq: this.#seq, text });
    this.#keptBytes += text.length;
    while (this.#kept.length > KEPT_CHANGES || this.#keptBytes > KEPT_BYTES) {
      const oldest = this.#kept.shift();
      if (oldest === undefined) break;
      this.#keptBytes -= oldest.text.length;
    }
    for (const stream of this.#streams) stream.write(text);
  }

  close(): void {
    this.#timer.cancel();
    for (const stream of this.#streams) stream.end();
  }

  /** The changes after a number; undefined if the server no longer has them, or the number is of another server. */
  #after(id: string | undefined): readonly KeptChange[] | undefined {
    const [, epoch, digits] = /^(.+):(\d{1,15})$/.exec(id ?? "") ?? [];
    const seq = Number(digits);
    if (epoch !== this.#epoch || seq > this.#seq) return undefined;
    const oldest = this.#kept[0]?.seq ?? this.#seq + 1;
    return seq + 1 < oldest ? undefined : this.#kept.filter((change) => change.seq > seq);
  }

  #pictureText(): string {
    return this.#event("picture", this.#options.picture());
  }

  #event(name: string, data: unknown): string {
    return `id: ${this.#epoch}:${this.#seq}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
  }

  #comment(): void {
    for (const stream of this.#streams) stream.comment();
  }
}

/** The stream of one page. It drops changes that its reader does not take. */
class Stream {
  readonly #response: ServerResponse;
  readonly #picture: () => string;
  #isBehind = false;
  #unreadComments = 0;

  constructor(response: ServerResponse, picture: () => string) {
    this.#response = response;
    this.#picture = picture;
    response.on("drain", () => {
      this.#unreadComments = 0;
      if (this.#isBehind) this.showPicture();
    });
  }

  showPicture(): void {
    this.#isBehind = false;
    this.#response.write(this.#picture());
  }

  write(text: string): void {
    if (this.#isBehind) return;
    if (this.#response.writableLength > MOST_WAITING_BYTES) this.#isBehind = true;
    else this.#response.write(text);
  }

  comment(): void {
    if (!this.#response.writableNeedDrain) this.#response.write(": here\n\n");
    else if (++this.#unreadComments >= SILENT_COMMENTS) this.#response.destroy();
  }

  end(): void {
    this.#response.end();
  }
}
