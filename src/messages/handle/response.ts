import { SluiceError, strerror } from "../../errors/index.js";
import { decodePayload } from "../wire/payload.js";
import type { Payload, ResponseMessage } from "../types.js";

/** The error of a failed request, with the errnum and the text of its response. */
export function responseError({ errnum, error }: ResponseMessage): SluiceError {
  return new SluiceError("BROKER_REQUEST", error ?? strerror(errnum), { errnum });
}

/**
 * The payload of a response.
 * @throws SluiceError `BROKER_REQUEST` with the response's errnum if it is not a success, `EPROTO` if it is not JSON
 */
export function payloadOf(message: ResponseMessage): Payload {
  if (message.errnum !== 0) throw responseError(message);
  return decodePayload(message.payload);
}
