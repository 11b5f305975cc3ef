/** Whether a payload takes more bytes than a limit on the wire. */
export function isLarger(payload: string | Uint8Array, limitBytes: number): boolean {
  if (typeof payload !== "string") return payload.byteLength > limitBytes;
  // A UTF-16 unit makes at most three bytes, so this counts only texts near the limit.
  return payload.length * 3 > limitBytes && Buffer.byteLength(payload) > limitBytes;
}
