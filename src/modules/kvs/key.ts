import { requestError } from "../../errors/index.js";

/** Longest key, in bytes of UTF-8. */
export const KEY_MAX_BYTES = 1024;

/**
 * The separator of the words of a key in the tree. It sorts before every character that a word may have, so that all
 * keys below a key follow it directly. A check of its two neighbours shows whether a new key clashes with another.
 */
const SEPARATOR = "\t";

// eslint-disable-next-line no-control-regex -- control characters are what it refuses
const CONTROL = /[\u0000-\u001f\u007f]/;

/**
 * The form of a key for the order of the tree.
 * @param key non-empty words joined by dots, without control characters, at most {@link KEY_MAX_BYTES}
 * @throws `EINVAL`
 */
export function encodeKey(key: string): string {
  if (key === "") throw requestError("EINVAL", "invalid key: it is empty");
  if (Buffer.byteLength(key) > KEY_MAX_BYTES) {
    throw requestError("EINVAL", `invalid key: longer than ${KEY_MAX_BYTES} bytes`);
  }
  if (CONTROL.test(key)) throw requestError("EINVAL", "invalid key: it has control characters");
  if (key.startsWith(".") || key.endsWith(".") || key.includes("..")) {
    throw requestError("EINVAL", `invalid key '${key}': a word of it is empty`);
  }
  return key.replaceAll(".", SEPARATOR);
}

/** The key in the form for people. */
export function decodeKey(encoded: string): string {
  return encoded.replaceAll(SEPARATOR, ".");
}

/** The common prefix of all keys below a directory; undefined means the whole store. */
export function prefixOf(encodedDirectory: string | undefined): string {
  return encodedDirectory === undefined ? "" : encodedDirectory + SEPARATOR;
}

/** Whether a key is below another. */
export function isBelow(encoded: string, directory: string): boolean {
  return encoded.startsWith(directory + SEPARATOR);
}

/** Sorts after a key and all keys below it, and before all other keys that follow it. */
export function pastSubtree(encoded: string): string {
  return encoded + String.fromCharCode(SEPARATOR.charCodeAt(0) + 1);
}

/** The word after a prefix, and whether more words follow it. */
export function childAt(encoded: string, prefix: string): { readonly name: string; readonly dir: boolean } {
  const end = encoded.indexOf(SEPARATOR, prefix.length);
  return end < 0
    ? { name: encoded.slice(prefix.length), dir: false }
    : { name: encoded.slice(prefix.length, end), dir: true };
}
