/** The least framing there is: four bytes of length, then text. */
export function frame(text) {
  const body = Buffer.from(text);
  const head = Buffer.allocUnsafe(4);
  head.writeUInt32BE(body.length);
  return Buffer.concat([head, body]);
}

export class Frames {
  #rest = Buffer.alloc(0);
  #onText;

  constructor(onText) {
    this.#onText = onText;
  }

  push(chunk) {
    let data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (data.length >= 4 && data.length >= 4 + data.readUInt32BE()) {
      const end = 4 + data.readUInt32BE();
      this.#onText(data.toString("utf8", 4, end));
      data = data.subarray(end);
    }
    this.#rest = data;
  }
}
