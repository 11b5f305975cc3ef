import { join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

/** Environment variables by name, as in `process.env`. */
export type Env = Readonly<Record<string, string | undefined>>;

/** Where shipped and site files are (docs/design/instance.md §2). */
export interface Directories {
  /** Shipped units: `<dataDir>/modprobe`. */
  readonly dataDir: string;
  /** Shipped rc files: `<libexecDir>/modprobe`. */
  readonly libexecDir: string;
  /** The site's units and rc files: `<confDir>/modprobe`. */
  readonly confDir: string;
}

/** `SLUICE_DATADIR`, `SLUICE_LIBEXECDIR`, `SLUICE_CONFDIR`, else the package's `etc/` and `/etc/sluice`. */
export function defaultDirectories(env: Env): Directories {
  const shipped = fileURLToPath(new URL("../../etc", import.meta.url));
  return {
    // An empty value counts as unset, because it would be another relative directory for each process.
    dataDir: env["SLUICE_DATADIR"] || shipped,
    libexecDir: env["SLUICE_LIBEXECDIR"] || shipped,
    confDir: env["SLUICE_CONFDIR"] || "/etc/sluice",
  };
}

/**
 * Directories whose `modprobe.d` holds unit files, first to last (docs/design/planning.md §2):
 * `FLUX_MODPROBE_PATH_PREPEND`, then `FLUX_MODPROBE_PATH` or the default, then `FLUX_MODPROBE_PATH_APPEND`. A pure
 * function.
 */
export function unitSearchPath(env: Env, directories: Pick<Directories, "dataDir" | "confDir">): string[] {
  return searchPath(env, directories.dataDir, directories.confDir);
}

/** The same for rc files. The shipped ones are in `libexecDir`. */
export function rcSearchPath(env: Env, directories: Pick<Directories, "libexecDir" | "confDir">): string[] {
  return searchPath(env, directories.libexecDir, directories.confDir);
}

function searchPath(env: Env, shipped: string, site: string): string[] {
  const middle = env["FLUX_MODPROBE_PATH"];
  return distinct([
    ...split(env["FLUX_MODPROBE_PATH_PREPEND"] ?? ""),
    ...(middle === undefined ? [join(shipped, "modprobe"), join(site, "modprobe")] : split(middle)),
    ...split(env["FLUX_MODPROBE_PATH_APPEND"] ?? ""),
  ]);
}

/** The entries without empty and blank ones. */
function split(path: string): string[] {
  return path
    .split(":")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
}

/** Each directory at its first place, in any spelling. */
function distinct(directories: readonly string[]): string[] {
  const seen = new Set<string>();
  return directories.filter((directory) => {
    const name = join(normalize(directory), ".");
    if (seen.has(name)) return false;
    seen.add(name);
    return true;
  });
}
