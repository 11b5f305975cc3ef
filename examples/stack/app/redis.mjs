/** As much of Redis' protocol as this example needs. */
import { createConnection } from "node:net";

/** Connects to a socket. The process ends with status 1 when the connection does. */
export function connect(path) {
  const socket = createConnection(path);
  const waiting = [];
  let buffer = Buffer.alloc(0);
  socket.on("data", (bytes) => {
    buffer = Buffer.concat([buffer, bytes]);
    for (let reply = parse(buffer, 0); reply !== undefined; reply = parse(buffer, 0)) {
      buffer = buffer.subarray(reply.end);
      const { resolve, reject } = waiting.shift();
      if (reply.value instanceof Error) reject(reply.value);
      else resolve(reply.value);
    }
  });
  const lost = (error) => {
    console.error(`redis: ${error?.message ?? "the connection has ended"}`);
    process.exit(1);
  };
  socket.on("error", lost).on("close", () => lost());
  /** Sends a command, and gives its answer. */
  return (...words) =>
    new Promise((resolve, reject) => {
      waiting.push({ resolve, reject });
      const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
      socket.write(`*${words.length}\r\n${parts.join("")}`);
    });
}

/** The reply at a place of a buffer, and where it ends; undefined if it is not complete. */
function parse(buffer, start) {
  const lineEnd = buffer.indexOf("\r\n", start);
  if (lineEnd < 0) return undefined;
  const text = buffer.toString("utf8", start + 1, lineEnd);
  const end = lineEnd + 2;
  switch (String.fromCharCode(buffer[start])) {
    case "+":
      return { value: text, end };
    case "-":
      return { value: new Error(text), end };
    case ":":
      return { value: Number(text), end };
    case "$": {
      const length = Number(text);
      if (length < 0) return { value: null, end };
      if (buffer.length < end + length + 2) return undefined;
      return { value: buffer.toString("utf8", end, end + length), end: end + length + 2 };
    }
    default:
      throw new Error(`a reply begins with ${buffer[start]}`);
  }
}
