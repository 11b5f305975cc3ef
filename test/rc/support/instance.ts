import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errnumOf, messageOf } from "../../../src/errors/index.js";
import {
  type Channel,
  channelPair,
  connectHandle,
  decodePayload,
  encodePayload,
  type Handle,
  type JsonValue,
  type Payload,
  type RequestMessage,
  socketChannel,
} from "../../../src/messages/index.js";

/** Answers a request; what it throws is the error response. */
export type Answer = (topic: string, payload: Payload) => Payload | Promise<Payload>;

/** What was asked, in order. */
export type Asked = [topic: string, payload: Payload][];

/** A handle whose other end a test answers. */
export async function answeredHandle(answer: Answer): Promise<{ handle: Handle; asked: Asked }> {
  const [ours, theirs] = channelPair();
  const asked = serve(theirs, answer);
  return { handle: await connectHandle(ours), asked };
}

/** A socket that processes can connect to as an instance. */
export class AnsweringInstance {
  readonly uri: string;
  readonly asked: Asked = [];
  readonly #server: Server;
  readonly #directory: string;

  private constructor(server: Server, directory: string) {
    this.#server = server;
    this.#directory = directory;
    this.uri = `local://${directory}/local-0`;
  }

  static async start(answer: Answer): Promise<AnsweringInstance> {
    const directory = await mkdtemp(join(tmpdir(), "sluice-rc-"));
    const server = createServer((socket) => serve(socketChannel(socket), answer, instance.asked));
    const instance = new AnsweringInstance(server, directory);
    await new Promise<void>((resolve) => server.listen(join(directory, "local-0"), resolve));
    return instance;
  }

  async stop(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#directory, { recursive: true });
  }
}

function serve(channel: Channel, answer: Answer, asked: Asked = []): Asked {
  const welcome: JsonValue = { name: "test", uuid: "u", rank: 5, size: 6, args: [], attrs: {}, conf: {} };
  channel.send({ type: "control", control: "welcome", payload: JSON.stringify(welcome) });
  channel.onMessage((message) => {
    if (message.type !== "request") return;
    const payload = decodePayload(message.payload);
    asked.push([message.topic, payload]);
    if (message.matchtag !== 0) void respond(channel, message, answer, payload);
  });
  return asked;
}

async function respond(
  channel: Channel,
  { topic, matchtag, route }: RequestMessage,
  answer: Answer,
  payload: Payload,
): Promise<void> {
  const response = { type: "response", topic, matchtag, route } as const;
  try {
    channel.send({ ...response, errnum: 0, payload: encodePayload(await answer(topic, payload)) });
  } catch (error) {
    channel.send({ ...response, errnum: errnumOf(error) ?? 5, error: messageOf(error) });
  }
}
