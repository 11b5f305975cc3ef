import { isUtf8 } from "node:buffer";

/** An output stream of a command. */
export type OutputStream = "stdout" | "stderr";

/** Bytes in the form for JSON: text where they are UTF-8, which people can read, else base64 (RFC 24). */
export function encodeIo(bytes: Uint8Array): { data: string; encoding?: "base64" } {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return isUtf8(view)
    ? { data: view.toString("utf8") }
    : { data: view.toString("base64"), encoding: "base64" };
}

/** The inverse of {@link encodeIo}. */
export function decodeIo({ data, encoding }: { data: string; encoding?: string | undefined }): Buffer {
  return Buffer.from(data, encoding === "base64" ? "base64" : "utf8");
}
