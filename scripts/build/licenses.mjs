import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";

/**
 * Writes the licences of all packages that are inside our files, as these licences ask for.
 * @param {Set<string>} files paths of what was bundled
 */
export function writeLicenses(files) {
  const folders = [...files].flatMap((file) => /^node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file) ?? []);
  const texts = [...new Set(folders)].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
    return `${name} ${version} (${license})\n\n${licenseIn(folder)}`;
  });
  writeFileSync("dist/licenses.txt", texts.join(`\n${"-".repeat(80)}\n\n`));
}

function licenseIn(folder) {
  const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
  if (file !== undefined) return readFileSync(`${folder}/${file}`, "utf8");
  const readme = readdirSync(folder).find((name) => /^readme/i.test(name));
  const text =
    readme !== undefined && existsSync(`${folder}/${readme}`)
      ? readFileSync(`${folder}/${readme}`, "utf8")
      : "";
  return /^#+ *licen[cs]e[^]*/im.exec(text)?.[0] ?? "";
}
