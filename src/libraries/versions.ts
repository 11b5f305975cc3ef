import parse from "semver/functions/parse.js";
import satisfies from "semver/functions/satisfies.js";
import validRange from "semver/ranges/valid.js";

/**
 * Whether a range of versions includes a host, whose pre-release counts as the release after it. So users
 * can try a candidate of 1.2 with modules for 1.2.
 * @returns undefined if the range is invalid
 */
export function takesRelease(range: string, version: string): boolean | undefined {
  if (validRange(range) === null) return undefined;
  const parsed = parse(version, { loose: true });
  return parsed !== null && satisfies(`${parsed.major}.${parsed.minor}.${parsed.patch}`, range);
}

/** Whether a range includes the version of a module, by the rules of semver; undefined if the range is invalid. */
export function takesVersion(range: string, version: string): boolean | undefined {
  return validRange(range) === null ? undefined : satisfies(version, range);
}

/** Whether a text is a version, in the form of semver. */
export function isVersion(text: string): boolean {
  return parse(text) !== null;
}

/**
 * Whether a host that implements one version of a contract can serve a module that follows another. The major
 * has to be the same, and the other parts no greater than the host's.
 * @param wanted the version of the module: `1`, `1.2` and so on; missing parts are 0
 * @param spoken the version of the host, likewise; the text after a `-` does not count
 */
export function speaks(spoken: string, wanted: string): boolean {
  const [ours, theirs] = [partsOf(spoken), partsOf(wanted)];
  if (ours[0] !== theirs[0]) return false;
  for (let i = 1; i < Math.max(ours.length, theirs.length); i++) {
    const difference = (ours[i] ?? 0) - (theirs[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

function partsOf(version: string): number[] {
  const [release = ""] = version.split(/[-+]/);
  return release.split(".").map(Number);
}
