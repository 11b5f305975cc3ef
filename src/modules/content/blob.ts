import { createHash } from "node:crypto";

const BLOBREF = /^sha256-[0-9a-f]{64}$/;

/** The reference of a blob: `sha256-` and its digest in lower-case hex (docs/services.md). */
export function blobref(bytes: Uint8Array): string {
  return `sha256-${createHash("sha256").update(bytes).digest("hex")}`;
}

/** Whether a text has the form of a reference; file names are made of it, so nothing else may pass. */
export function isBlobref(text: string): boolean {
  return BLOBREF.test(text);
}
