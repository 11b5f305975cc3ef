import { spawnSync } from "node:child_process";

/** A user to run a command as. */
export interface TestUser {
  readonly title: string;
  readonly uid: number;
  readonly gid: number;
  /** What to put before a command. */
  readonly prefix: readonly string[];
}

/** Ids that no user of a usual machine has. */
const OTHER_ID = 54321;

const ROOT: TestUser = { title: "as root", uid: 0, gid: 0, prefix: [] };

const OTHER: TestUser = {
  title: "as another user",
  uid: OTHER_ID,
  gid: OTHER_ID,
  prefix: ["setpriv", `--reuid=${OTHER_ID}`, `--regid=${OTHER_ID}`, "--clear-groups", "--"],
};

/** Whether the tests may become somebody else and give files away. */
export const isRoot = process.getuid?.() === 0;

/**
 * Everybody whom the tests can be: root and another user, as CI is. Who runs them without being root is the other user;
 * that there is no root then shows in the names of the tests.
 */
export const testUsers: readonly TestUser[] = isRoot
  ? [ROOT, OTHER]
  : [
      {
        title: "as the user who runs the tests, not root",
        uid: process.getuid?.() ?? 0,
        gid: process.getgid?.() ?? 0,
        prefix: [],
      },
    ];

/** Makes files and directories belong to a user, as far as we may. */
export function giveTo({ uid, gid }: TestUser, ...paths: readonly string[]): void {
  if (!isRoot) return;
  const { status, stderr } = spawnSync("chown", ["-h", `${uid}:${gid}`, ...paths], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
}
