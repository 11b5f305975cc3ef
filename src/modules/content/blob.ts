import { createHash } from "node:crypto";
import { requestError } from "../../errors/index.js";

const BLOBREF = /^sha256-[0-9a-f]{64}$/;

/** A blob under the reference of its bytes. */
export interface StoredBlob {
  readonly ref: string;
  readonly bytes: Uint8Array;
}

/** The reference of a blob: `sha256-` and its digest in lower-case hex (docs/services.md). */
export function blobref(bytes: Uint8Array): string {
  return `sha256-${createHash("sha256").update(bytes).digest("hex")}`;
}

/** Whether a text has the form of a reference. No other text may pass, because file names are made of it. */
export function isBlobref(text: string): boolean {
  return BLOBREF.test(text);
}

/** @throws `EINVAL` for an invalid reference */
export function checkBlobref(text: string): string {
  if (!isBlobref(text)) throw requestError("EINVAL", `'${text.slice(0, 80)}' is not a blob reference`);
  return text;
}
