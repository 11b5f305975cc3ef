import { readFileSync } from "node:fs";
import { isErrno } from "../../errors/index.js";
import { ExitError, UsageError } from "../terminal/output.js";

export interface TlsOptions {
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

/**
 * The certificate and key of a server; undefined without TLS.
 * @throws ExitError if a file cannot be read, or one of the two options is missing
 */
export function tlsOf({ tlsCert, tlsKey }: TlsOptions): { cert: Buffer; key: Buffer } | undefined {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined)
    throw new UsageError("--tls-cert and --tls-key go together");
  return { cert: readFile(tlsCert), key: readFile(tlsKey) };
}

function readFile(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const isMissing = isErrno(error, "ENOENT");
    throw new ExitError(1, `${path}: ${isMissing ? "No such file or directory" : "cannot be read"}`);
  }
}
