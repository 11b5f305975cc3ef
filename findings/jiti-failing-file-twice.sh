#!/bin/sh
# jiti 2.7.0: `import()` of an .mjs or .cjs file that throws while it is evaluated runs the file a second time.
#
# Input: an .mjs and a .cjs file that print a line and throw an Error; `createJiti(…).import(path)` of each.
# Expected: one line for each import, and the error of the file with its own places.
# Seen: two lines for each import by jiti. It takes any error of the first try for a file that Node cannot read, and evaluates
# what it has made of it. What the file had done by then is done twice, and the stack has the places of the made code.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund jiti@2.7.0
printf '\n\nconsole.log("ran esm");\nthrow new Error("esm");\n' >fails.mjs
printf '\n\nconsole.log("ran cjs");\nthrow new Error("cjs");\n' >fails.cjs
cat >run.mjs <<'EOF'
import { createJiti } from "jiti";
const jiti = createJiti(import.meta.url);
for (const name of ["fails.mjs", "fails.cjs"]) {
  const path = new URL(name, import.meta.url).pathname;
  await jiti.import(path).catch((error) => console.log(`error ${error.message}`));
}
EOF
seen=$(node run.mjs)
echo "$seen"
test "$seen" = "ran esm
ran esm
error esm
ran cjs
ran cjs
error cjs"
