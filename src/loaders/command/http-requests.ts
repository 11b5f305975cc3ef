import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";

export type HttpRequester = typeof httpRequest;

/** Sends a request to a URL. A separate file, because most processes never use it, and loading both modules takes long. */
export function requesterOf(url: string): HttpRequester {
  return url.startsWith("https:") ? httpsRequest : httpRequest;
}
