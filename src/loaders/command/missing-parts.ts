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

/** A part to look at. */
interface Look {
  readonly key: MissingPart["key"];
  /** @throws if the part is missing */
  readonly find: () => Promise<unknown>;
  /** The path that must be there, if the options tell it. */
  readonly path?: string | undefined;
}

/**
 * The parts that a start of a program would find missing now: commands, directories, its user and its group.
 * @param env the environment of the broker
 */
export async function missingParts(options: Options, env: NodeJS.ProcessEnv): Promise<MissingPart[]> {
  const directory = directoryOf(options);
  const home: Look = { key: "directory", find: () => refuseMissingDirectory(directory) };
  const isOther = options.user !== undefined;
  const [noHome] = await missingOf([home], isOther);
  const looks = looksIn(options, directory, env);
  if (noHome === undefined) return missingOf(looks, isOther);
  // What is missing because the directory is, has one cause and needs one line.
  const top = resolve(directory);
  const others = looks.filter(({ path = "" }) => path !== top && !path.startsWith(`${top}/`));
  return [noHome, ...(await missingOf(others, isOther))];
}

function looksIn(options: Options, directory: string, env: NodeJS.ProcessEnv): Look[] {
  const { user, group, output = "log", environment = {} } = options;
  const looks: Look[] = [];
  if (user !== undefined) looks.push({ key: "user", find: () => lookUpUser(user) });
  if (group !== undefined) looks.push({ key: "group", find: () => lookUpGroup(group) });
  if (!["log", "inherit", "discard"].includes(output)) {
    const path = dirname(resolve(directory, output));
    looks.push({ key: "output", find: () => refuseMissingDirectory(path), path });
  }
  const commands: readonly (readonly [MissingPart["key"], CommandLine | undefined])[] = [
    ["command", options.command],
    ["ready", options.ready?.command],
    ["alive", options.alive?.command],
    ["stop", options.stop?.command],
  ];
  const own = { directory, env: { ...env, ...environment } };
  for (const [key, command] of commands) {
    if (command === undefined) continue;
    const [program = ""] = typeof command === "string" ? [] : command;
    const path = program.includes("/") ? resolve(directory, program) : undefined;
    looks.push({ key, find: () => executableOf(command, own), path });
  }
  return looks;
}

/** @param isOther whether another user runs it, who may have rights that this one lacks */
async function missingOf(looks: readonly Look[], isOther: boolean): Promise<MissingPart[]> {
  const found = looks.map(async ({ key, find }) => {
    try {
      await find();
      return [];
    } catch (error) {
      return isOther && errnumOf(error) === ERRNO.EACCES ? [] : [{ key, why: messageOf(error) }];
    }
  });
  return (await Promise.all(found)).flat();
}
