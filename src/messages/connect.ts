import { SluiceError } from "../errors/index.js";
import { fields } from "./fields.js";
import { ChannelHandle, type HandleKind } from "./handle/handle.js";
import { decodePayload } from "./wire/payload.js";
import { protocolError } from "./wire/wire-header.js";
import type { Channel, Handle, Message, Welcome } from "./types.js";

/**
 * A handle over a channel, once the broker has sent its `welcome`.
 * @param channel not used elsewhere
 * @throws SluiceError `BROKER_UNREACHABLE` if the channel closes first, `BROKER_PROTOCOL` if another message comes
 *   first
 */
export function connectHandle(channel: Channel): Promise<Handle> {
  return connectAs(channel, "client");
}

/** As {@link connectHandle}, for the runtime of a module. */
export function connectAs(channel: Channel, kind: HandleKind): Promise<ChannelHandle> {
  return new Promise((resolve, reject) => {
    let handle: ChannelHandle | undefined;
    channel.onMessage((message) => {
      if (handle !== undefined) {
        handle.receive(message);
        return;
      }
      try {
        handle = new ChannelHandle(channel, readWelcome(message), kind);
        resolve(handle);
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
        channel.close();
      }
    });
    channel.onClose((cause) => {
      reject(new SluiceError("BROKER_UNREACHABLE", "the broker closed the connection", { cause }));
    });
  });
}

function readWelcome(message: Message): Welcome {
  if (message.type !== "control" || message.control !== "welcome") {
    throw protocolError(`expected a welcome from the broker, not a ${message.type}`);
  }
  try {
    return checkWelcome(message);
  } catch (cause) {
    throw protocolError("the broker's welcome is malformed", cause);
  }
}

function checkWelcome(message: Message): Welcome {
  const { attrs, ...welcome } = fields(decodePayload(message.payload), {
    name: "string",
    uuid: "string",
    rank: "integer",
    size: "integer",
    args: "string[]",
    attrs: "object",
    conf: "json",
  });
  const texts = Object.entries(attrs).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string",
  );
  return { ...welcome, attrs: Object.fromEntries(texts) };
}
