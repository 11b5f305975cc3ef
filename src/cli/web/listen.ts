import { resolve } from "node:path";
import { InvalidArgumentError } from "commander";
import { isLoopbackAddress, isLoopbackName, type Listen } from "../../web/index.js";

/** An address in the form of `--listen`. */
export function listenOf(text: string): Listen {
  if (text.startsWith("unix:")) {
    const path = text.slice("unix:".length);
    if (path === "") throw new InvalidArgumentError("unix: needs a path.");
    return { kind: "unix", path: resolve(path) };
  }
  const [, host = "", digits] = /^(\[[0-9a-fA-F:]+\]|[^:[\]]+):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (host === "" || port > 65_535)
    throw new InvalidArgumentError("must be HOST:PORT, [IPV6]:PORT or unix:PATH.");
  return { kind: "tcp", host: host.replace(/^\[(.*)\]$/, "$1"), port };
}

/** Whether users of other machines can connect. */
export function isReachableByOthers(listen: Listen): boolean {
  return listen.kind === "tcp" && !isLoopbackAddress(listen.host) && !isLoopbackName(listen.host);
}

/** A path with a slash at both ends. */
export function basePathOf(text: string): string {
  if (!/^\/([\w.~-]+(\/[\w.~-]+)*\/?)?$/.test(text) || /(^|\/)\.\.?(\/|$)/.test(text)) {
    throw new InvalidArgumentError("must be a path such as /sluice.");
  }
  return text.endsWith("/") ? text : `${text}/`;
}
