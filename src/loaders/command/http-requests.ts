import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";

export type HttpRequester = typeof httpRequest;

/**
 * Sends a request to a URL. A separate file, because both modules load slowly and most processes never use
 * them.
 */
export function requesterOf(url: string): HttpRequester {
  return url.startsWith("https:") ? httpsRequest : httpRequest;
}
