import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";

export type HttpRequester = typeof httpRequest;

/** What asks a URL. In a file of its own: most processes never ask one, and loading both takes longer than to start. */
export function requesterOf(url: string): HttpRequester {
  return url.startsWith("https:") ? httpsRequest : httpRequest;
}
