import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SluiceError, systemMessage } from "../errors/index.js";
import { readLimited } from "../processes/index.js";

/** An attacker can guess a shorter token. */
const SHORTEST_TOKEN = 16;

/**
 * The token in a file that only its owner can read.
 * @throws SluiceError `WEB_TOKEN` if it cannot be read, others may read it, or it is no token
 */
export function readTokenFile(path: string): string {
  const refuse = (text: string, cause?: unknown): SluiceError =>
    new SluiceError("WEB_TOKEN", `token file ${path}: ${text}`, { cause });
  let mode: number;
  let text: string;
  try {
    mode = statSync(path).mode;
    text = readLimited(path).toString("utf8").trim();
  } catch (cause) {
    throw refuse(systemMessage(cause), cause);
  }
  if ((mode & 0o077) !== 0) throw refuse(`other users may read the file; chmod 600 ${path}`);
  if (text.length < SHORTEST_TOKEN || !/^[\x21-\x7e]+$/.test(text)) {
    throw refuse(
      `a token is one word of at least ${SHORTEST_TOKEN} ASCII characters, such as 'openssl rand -hex 32' prints`,
    );
  }
  return text;
}

/** The token of one server, and the address with it. */
export class Token {
  readonly text: string;
  #directory: string | undefined;

  constructor(text: string = randomBytes(32).toString("base64url")) {
    this.text = text;
  }

  /** The address that opens the page. The text after the `#` stays in the browser. */
  address(url: string): string {
    return `${url}#token=${this.text}`;
  }

  /**
   * Writes the address into a file that only its owner can read, and a page beside it that links there. Every
   * user can read the words of a command.
   * @param directory the directory for the files of one run
   */
  write(url: string, directory: string): { readonly file: string; readonly page: string } {
    this.#directory = mkdtempSync(join(directory, "sluice-web-"));
    const file = join(this.#directory, "url");
    const page = join(this.#directory, "open.html");
    const address = this.address(url);
    writeFileSync(file, `${address}\n`, { mode: 0o600 });
    writeFileSync(page, `<!doctype html><meta http-equiv="refresh" content="0;url=${address}">\n`, {
      mode: 0o600,
    });
    return { file, page };
  }

  /** Removes the written file. */
  remove(): void {
    if (this.#directory !== undefined) rmSync(this.#directory, { recursive: true, force: true });
  }
}
