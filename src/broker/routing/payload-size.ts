/** Whether a payload takes more bytes than a limit on the wire. */
export function isLarger(payload: string | Uint8Array, limitBytes: number): boolean {
  if (typeof payload !== "string") return payload.byteLength > limitBytes;
  // This counts only texts near the limit, because a UTF-16 unit makes at most three bytes.
  return payload.length * 3 > limitBytes && Buffer.byteLength(payload) > limitBytes;
}
