import { dirname, resolve } from "node:path";
import { ERRNO, errnumOf, messageOf } from "../../errors/index.js";
import { lookUpGroup, lookUpUser } from "../../processes/index.js";
import type { CommandLine, ProgramOptions } from "../program-options.js";
import { executableOf } from "./command-line.js";
import { directoryOf, refuseMissingDirectory } from "./program-setup.js";

type Options = Pick<
  ProgramOptions,
  "command" | "directory" | "environment" | "user" | "group" | "output" | "ready" | "alive" | "stop"
>;

/** A part of a program that this machine lacks. */
export interface MissingPart {
  readonly key: "command" | "directory" | "user" | "group" | "output" | "ready" | "alive" | "stop";
  readonly why: string;
}

/**
 * The parts that a start of a program would find missing now: commands, directories, its user and its group.
 * @param env the environment of the broker
 */
export async function missingParts(options: Options, env: NodeJS.ProcessEnv): Promise<MissingPart[]> {
  const { user, group, output = "log", environment = {} } = options;
  const directory = directoryOf(options);
  const own = { directory, env: { ...env, ...environment } };
  const path = ["log", "inherit", "discard"].includes(output) ? undefined : resolve(directory, output);
  const looks: Partial<Record<MissingPart["key"], (() => Promise<unknown>) | undefined>> = {
    directory: () => refuseMissingDirectory(directory),
    user: user === undefined ? undefined : () => lookUpUser(user),
    group: group === undefined ? undefined : () => lookUpGroup(group),
    output: path === undefined ? undefined : () => refuseMissingDirectory(dirname(path)),
  };
  const commands: readonly (readonly [MissingPart["key"], CommandLine | undefined])[] = [
    ["command", options.command],
    ["ready", options.ready?.command],
    ["alive", options.alive?.command],
    ["stop", options.stop?.command],
  ];
  for (const [key, command] of commands) {
    if (command !== undefined) looks[key] = () => executableOf(command, own);
  }
  const found = Object.entries(looks).map(async ([key, look]) => {
    const why = look === undefined ? undefined : await failureOf(look, user !== undefined);
    return why === undefined ? [] : [{ key: key as MissingPart["key"], why }];
  });
  return dropFollowing((await Promise.all(found)).flat(), directory);
}

/**
 * The reason why a part is missing.
 * @param isOther whether another user runs it, who may have rights that this one lacks
 */
async function failureOf(look: () => Promise<unknown>, isOther: boolean): Promise<string | undefined> {
  try {
    await look();
    return undefined;
  } catch (error) {
    return isOther && errnumOf(error) === ERRNO.EACCES ? undefined : messageOf(error);
  }
}

/** What is missing because the directory is, has one cause and needs one line. */
function dropFollowing(parts: readonly MissingPart[], directory: string): MissingPart[] {
  if (!parts.some(({ key }) => key === "directory")) return [...parts];
  const isBelow = (why: string): boolean => why.includes(`${directory}/`) || why.includes(`${directory}:`);
  return parts.filter(({ key, why }) => key === "directory" || !isBelow(why));
}
