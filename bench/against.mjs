/** The build of an earlier commit, for rows that compare with it in the same run. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/**
 * Builds a commit in a temporary directory, with the packages of its own lock file. It needs the registry of packages.
 * @returns its command line `main`, its library `index`, and `remove`
 */
export function buildOf(revision) {
  const dir = mkdtempSync(join(tmpdir(), "sluice-against-"));
  const remove = () => rmSync(dir, { recursive: true, force: true });
  try {
    const archive = done("git", ["-C", ROOT, "archive", "--format=tar", revision], dir);
    done("tar", ["-x"], dir, archive);
    done("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], dir);
    done("npm", ["run", "build"], dir);
  } catch (error) {
    remove();
    throw error;
  }
  return { main: join(dir, "dist/cli/main.cjs"), index: join(dir, "dist/index.js"), remove };
}

/** Standard output. */
function done(file, args, cwd, input) {
  const { status, stdout, stderr, error } = spawnSync(file, args, { cwd, input, maxBuffer: 1 << 30 });
  if (status !== 0) throw new Error(`${file} ${args.join(" ")}: ${error?.message ?? String(stderr)}`);
  return stdout;
}
