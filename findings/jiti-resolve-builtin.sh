#!/bin/sh
# jiti 2.7.0: `esmResolve` of a builtin module gives the URL of a file, which does not exist.
#
# Input: `createJiti(…).esmResolve("fs")` and `("node:fs")`, in a directory without a file of either name; import.meta.resolve of
# Node beside it.
# Expected: node:fs for both, as import.meta.resolve has it. Seen: for both a file: URL that ends in /node:fs, which no import
# takes.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund jiti@2.7.0
cat >run.mjs <<'EOF'
import { createJiti } from "jiti";
const jiti = createJiti(import.meta.url);
for (const name of ["fs", "node:fs"]) {
  const jitis = jiti.esmResolve(name).replace(/^file:.*\/([^/]*)$/, "file:…/$1");
  console.log(`${name}: node ${import.meta.resolve(name)}, jiti ${jitis}`);
}
EOF
seen=$(node run.mjs)
echo "$seen"
test "$seen" = "fs: node node:fs, jiti file:…/node:fs
node:fs: node node:fs, jiti file:…/node:fs"
