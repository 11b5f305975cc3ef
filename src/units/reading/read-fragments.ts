import { join } from "node:path";
import pLimit from "p-limit";
import { fail, type Result, succeed } from "../../errors/index.js";
import { createFileGuard } from "../file-guard.js";
import type { Fragment, Reading } from "../fragment.js";
import { listFiles } from "./list-files.js";
import { brokenReading, type FileReading, readReading } from "./parse-fragment.js";

/** The events of reading, for verbose output. */
export type ReadEvent =
  | { readonly kind: "checking"; readonly directory: string; readonly pattern: string }
  | { readonly kind: "loading"; readonly file: string };

/** The files to read. */
export interface ReadFragmentsOptions extends FileReading {
  /** `<dataDir>/modprobe/modprobe.toml` is read first, if it exists. */
  readonly dataDir?: string | undefined;
  /** Directories whose `modprobe.d` is read, in order. Missing directories are skipped. */
  readonly searchPath: readonly string[];
  readonly onRead?: ((event: ReadEvent) => void) | undefined;
}

const SUFFIXES = ["toml", "yaml", "yml"];
/** Files that are open at a time: few enough for any limit, and enough to keep the disk busy. */
const CONCURRENCY = 16;

/**
 * Reads all unit files in the order of composition (docs/design/planning.md §2). Errors, of all files at once and
 * sorted by place: the errors of `parseFragment`, `UNIT_INSECURE`, `UNIT_UNREADABLE`, `UNIT_NOT_A_FILE`,
 * `UNIT_NOT_UTF8`.
 */
export async function readFragments(options: ReadFragmentsOptions): Promise<Result<Fragment[]>> {
  const readings = await readAll(options);
  const diagnostics = readings.flatMap((reading) => reading.diagnostics);
  return diagnostics.length > 0 ? fail(diagnostics) : succeed(readings.map((reading) => reading.fragment));
}

/** Reads the files of an instance (docs/design/programs.md §2), in the order given. */
export function readStackFiles(
  files: readonly string[],
  { onRead, guard = createFileGuard(), cache }: Omit<ReadFragmentsOptions, "dataDir" | "searchPath"> = {},
): Promise<Reading[]> {
  return Promise.all(
    files.map((file) => {
      onRead?.({ kind: "loading", file });
      return readReading(file, "stack-file", { guard, cache });
    }),
  );
}

/** As {@link readFragments}, with the problems of each file. */
export async function readAll({
  dataDir,
  searchPath,
  onRead,
  guard = createFileGuard(),
  cache,
}: ReadFragmentsOptions): Promise<Reading[]> {
  const limit = pLimit(CONCURRENCY);
  const readings: Promise<Reading>[] = [];
  const load = (file: string) => {
    onRead?.({ kind: "loading", file });
    readings.push(limit(() => readReading(file, "unit-file", { guard, cache })));
  };
  if (dataDir !== undefined) {
    const directory = join(dataDir, "modprobe");
    const { names, diagnostics } = await listFiles(directory, SUFFIXES);
    if (diagnostics.length > 0) readings.push(Promise.resolve(brokenReading(directory, diagnostics)));
    if (names.includes("modprobe.toml")) load(join(directory, "modprobe.toml"));
  }
  for (const entry of searchPath) {
    const directory = join(entry, "modprobe.d");
    onRead?.({ kind: "checking", directory, pattern: "*.toml" });
    const { names, diagnostics } = await listFiles(directory, SUFFIXES);
    if (diagnostics.length > 0) readings.push(Promise.resolve(brokenReading(directory, diagnostics)));
    for (const name of names) load(join(directory, name));
  }
  return Promise.all(readings);
}
