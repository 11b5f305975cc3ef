import { ERRNO, SluiceError } from "../errors/index.js";
import { findCommand } from "./find-command.js";
import { processEnd } from "./process-end.js";
import { startProcess } from "./start-process.js";
import type { Identity } from "./programs/supervised-program.js";

/** A user, and the variables for its programs. */
export interface KnownUser {
  readonly identity: Identity;
  readonly name: string;
  readonly home: string;
  readonly shell: string;
}

/**
 * A user of this machine with its groups, from the system's own tools, which also find users of directories such as
 * LDAP.
 * @param user name or number
 * @param group name or number, instead of the user's own
 * @throws SluiceError `LOAD_FAILED` with `ENOENT` if the user or group does not exist
 */
export async function lookUpUser(user: string, group?: string): Promise<KnownUser> {
  const [name = user, , uid, gid, , home = "/", shell = "/bin/sh"] = await entryOf("passwd", user);
  const groups = (await linesOf("id", ["-G", "--", name])).join(" ").split(/\s+/).filter(Boolean).map(Number);
  const main = group === undefined ? Number(gid) : await lookUpGroup(group);
  const all = [...new Set([main, ...groups])];
  return { identity: { uid: Number(uid), gid: main, groups: all }, name, home, shell };
}

/**
 * The number of a group.
 * @throws SluiceError `LOAD_FAILED` with `ENOENT` if there is none
 */
export async function lookUpGroup(group: string): Promise<number> {
  return Number((await entryOf("group", group))[2]);
}

async function entryOf(database: "passwd" | "group", key: string): Promise<string[]> {
  const [line] = await linesOf("getent", ["--", database, key]);
  if (line !== undefined) return line.split(":");
  const what = database === "passwd" ? "user" : "group";
  throw new SluiceError("LOAD_FAILED", `no such ${what} '${key}'`, { errnum: ERRNO.ENOENT });
}

async function linesOf(tool: string, args: readonly string[]): Promise<string[]> {
  const file = await findCommand(tool, process.env["PATH"]);
  const child = startProcess(file, args, { stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  await processEnd(child);
  return text.split("\n").filter(Boolean);
}
