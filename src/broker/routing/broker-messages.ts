import { ERRNO, errnumOf, messageOf } from "../../errors/index.js";
import { FLAG, type RequestMessage, type ResponseMessage, ROLE, serviceOf } from "../../messages/index.js";
import type { Peer } from "./peer.js";

/** The fields that every response takes from its request. */
export function responseTo(
  request: RequestMessage,
): Pick<ResponseMessage, "type" | "topic" | "matchtag" | "route"> {
  return { type: "response", topic: request.topic, matchtag: request.matchtag, route: request.route };
}

/** Fails a request that no peer has received. */
export function refuse(request: RequestMessage, sender: Peer, error: unknown): void {
  if ((request.flags & FLAG.noresponse) !== 0) return;
  if (request.flags === 0) sender.share?.answered();
  sender.deliver({
    ...responseTo(request),
    errnum: errnumOf(error) ?? ERRNO.EIO,
    error: messageOf(error),
    route: request.route.slice(0, -1),
  });
}

/** The notice to a service that its requester no longer reads a stream. */
export function cancelOf({
  topic,
  matchtag,
  route,
  nodeid,
  userid,
  rolemask,
}: RequestMessage): RequestMessage {
  return {
    type: "request",
    topic: `${serviceOf(topic)}.cancel`,
    matchtag: 0,
    flags: FLAG.noresponse,
    payload: JSON.stringify({ matchtag }),
    ...{ nodeid, userid, rolemask, route: [...route] },
  };
}

/** The notice to a service that one of its senders has gone, by itself or with the peer that it came through. */
export function disconnectOf(service: string, route: readonly string[], peer: Peer): RequestMessage {
  return {
    type: "request",
    topic: `${service}.disconnect`,
    matchtag: 0,
    flags: FLAG.noresponse,
    nodeid: "any",
    route: [...route],
    userid: peer.credentials?.userid ?? 0,
    rolemask: ROLE.owner,
  };
}
