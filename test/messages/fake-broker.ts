import {
  type Channel,
  channelPair,
  connectHandle,
  type Handle,
  type JsonValue,
  type Message,
  type Payload,
  type RequestMessage,
  type ResponseMessage,
  type Welcome,
} from "../../src/messages/index.js";

/** Errors as `[code, errnum]`, to compare promises that should fail. */
export async function failureOf(promise: Promise<unknown>): Promise<{ code: unknown; errnum: unknown }> {
  try {
    await promise;
  } catch (error) {
    const { code, errnum } = error as { code: unknown; errnum: unknown };
    return { code, errnum };
  }
  throw new Error("expected a rejection");
}

const WELCOME: Welcome = {
  name: "probe",
  uuid: "uuid-1",
  rank: 0,
  size: 1,
  args: ["a", "b"],
  attrs: { version: "1" },
  conf: { table: { key: [1, 2] } },
};

export function welcome(fields: Partial<Welcome> = {}): Message {
  return { type: "control", control: "welcome", payload: JSON.stringify({ ...WELCOME, ...fields }) };
}

export function request(topic: string, fields: Partial<RequestMessage> = {}): RequestMessage {
  return { type: "request", topic, matchtag: 1, flags: 0, nodeid: "any", route: ["client"], ...fields };
}

export function reply(to: RequestMessage, fields: Partial<ResponseMessage> = {}): ResponseMessage {
  return { type: "response", topic: to.topic, matchtag: to.matchtag, errnum: 0, route: to.route, ...fields };
}

/** The broker's end of a channel, under a test's control: records what comes, and answers what it is told to. */
export class FakeBroker {
  readonly channel: Channel;
  readonly received: Message[] = [];
  closed = false;
  #lastMatchtag = 1000;
  readonly #answers = new Map<string, (request: RequestMessage) => Payload>();
  readonly #waiting: { matches: (message: Message) => boolean; resolve: (message: Message) => void }[] = [];

  constructor(channel: Channel) {
    this.channel = channel;
    this.answer("event.subscribe", () => undefined);
    this.answer("event.unsubscribe", () => undefined);
    this.answer("module.status", () => undefined);
    channel.onMessage((message) => this.#receive(message));
    channel.onClose(() => {
      this.closed = true;
    });
  }

  answer(topic: string, answer: (request: RequestMessage) => Payload): void {
    this.#answers.set(topic, answer);
  }

  send(message: Message): void {
    this.channel.send(message);
  }

  /** The first message that matches, of those that came and those to come. */
  async next(matches: (message: Message) => boolean): Promise<Message> {
    const found = this.received.find(matches);
    return found ?? new Promise((resolve) => this.#waiting.push({ matches, resolve }));
  }

  async nextRequest(topic: string): Promise<RequestMessage> {
    return (await this.next((m) => m.type === "request" && m.topic === topic)) as RequestMessage;
  }

  /** Sends a request, and resolves to its first response. */
  async call(
    topic: string,
    payload?: JsonValue,
    fields: Partial<RequestMessage> = {},
  ): Promise<ResponseMessage> {
    const sent = request(topic, {
      matchtag: ++this.#lastMatchtag,
      ...(payload !== undefined && { payload: JSON.stringify(payload) }),
      ...fields,
    });
    this.send(sent);
    const isAnswer = (m: Message): boolean => m.type === "response" && m.matchtag === sent.matchtag;
    return (await this.next(isAnswer)) as ResponseMessage;
  }

  /** What `module.status` requests have told. */
  statuses(): JsonValue[] {
    return this.received
      .filter((m) => m.type === "request" && m.topic === "module.status")
      .map((m) => JSON.parse(String(m.payload)) as JsonValue);
  }

  #receive(message: Message): void {
    this.received.push(message);
    const answer = message.type === "request" ? this.#answers.get(message.topic) : undefined;
    if (message.type === "request" && answer !== undefined && message.matchtag !== 0) {
      const payload = answer(message);
      this.send(reply(message, payload === undefined ? {} : { payload: JSON.stringify(payload) }));
    }
    for (const waiting of [...this.#waiting]) {
      if (!waiting.matches(message)) continue;
      this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
      waiting.resolve(message);
    }
  }
}

/** A client's handle and the broker that it is connected to. */
export async function connected(
  fields: Partial<Welcome> = {},
): Promise<{ broker: FakeBroker; handle: Handle }> {
  const [far, near] = channelPair();
  const broker = new FakeBroker(far);
  broker.send(welcome(fields));
  return { broker, handle: await connectHandle(near) };
}

/** After everything that is on its way has arrived. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}
