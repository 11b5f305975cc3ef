/**
 * An action: the commands that carry it out, one after the other while they succeed, and the commands that only try
 * it.
 */
interface Action {
  readonly commands: readonly (readonly string[])[];
  readonly dryRun?: readonly string[];
}

/** The dependencies of actions. */
export interface ActionSetting {
  /** Options that define the units. */
  readonly unitArgs: readonly string[];
  /** Number of ranks of the instance. */
  readonly size: number;
}

type Make = (name: readonly string[], setting: ActionSetting) => Action;

/** Each gets the name of the unit behind the end of options. */
const ACTIONS = {
  load: (name, { unitArgs }) => tried(["modprobe", "load"], [...unitArgs, ...name]),
  remove: (name, { unitArgs }) => tried(["modprobe", "remove"], [...unitArgs, ...name]),
  reload: (name) => ({ commands: [["module", "reload", ...name]] }),
  restart: (name, { unitArgs }) => ({
    commands: [
      ["module", "remove", ...name],
      ["modprobe", "load", ...unitArgs, ...name],
    ],
  }),
  apply: (name, { unitArgs, size }) => {
    const ranks = size > 1 ? ["--on-ranks=all"] : [];
    return tried(["modprobe", "apply"], [...ranks, ...unitArgs, ...name]);
  },
} as const satisfies Readonly<Record<string, Make>>;

type ActionName = keyof typeof ACTIONS;

/** The names of all actions. */
export const ACTION_NAMES = Object.keys(ACTIONS) as ActionName[];

/** No unit has a longer name. */
const LONGEST_NAME = 1024;

function tried(words: readonly string[], rest: readonly string[]): Action {
  return { commands: [[...words, ...rest]], dryRun: [...words, "--dry-run", ...rest] };
}

export function isUnitName(text: unknown): text is string {
  return typeof text === "string" && text !== "" && text.length <= LONGEST_NAME && !text.includes("\0");
}

export function isAction(text: unknown): text is ActionName {
  return ACTION_NAMES.some((name) => name === text);
}

/** Whether the action is also possible for all units. */
export function isForAll(name: ActionName): boolean {
  return name === "apply";
}

/** @param unit undefined: all units, if {@link isForAll} */
export function actionOf(name: ActionName, unit: string | undefined, setting: ActionSetting): Action {
  return ACTIONS[name](unit === undefined ? [] : ["--", unit], setting);
}

/** Commands for a shell. */
export function commandText(commands: readonly (readonly string[])[]): string {
  return commands.map((words) => ["sluice", ...withoutDashes(words)].map(quoted).join(" ")).join(" && ");
}

/** The mark `--` for the end of options appears only before a name that begins like an option. */
function withoutDashes(words: readonly string[]): readonly string[] {
  const name = words.at(-1) ?? "";
  return name.startsWith("-") ? words : words.filter((word) => word !== "--");
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
