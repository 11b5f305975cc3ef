#!/bin/sh
# npm 11.19: the first `npx NAME` in the checkout of the package NAME runs its prepare script, even where node_modules/.bin/NAME is
# there.
#
# Input: a package with a bin and a prepare script, `npm install`, then `npx NAME` twice, with a cache of its own.
# Expected: npx runs the command that is there. Seen: the first time it links the package into its own cache, and npm runs `prepare`
# for that; the second time not. A prepare script that builds anew replaces files under programs that run from them.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >package.json <<'EOF'
{ "name": "the-package", "version": "1.0.0", "bin": "command.js", "scripts": { "prepare": "echo prepared >> log; mkdir -p node_modules/.bin; ln -sf ../../command.js node_modules/.bin/the-package" } }
EOF
printf '#!/usr/bin/env node\nconsole.log("ran");\n' >command.js
chmod +x command.js
export npm_config_cache="$dir/cache"
npm install --silent --no-audit --no-fund
seen="install $(wc -l <log)"
for run in first second; do npx the-package >/dev/null; seen="$seen, $run $(wc -l <log)"; done
echo "$seen"
test "$seen" = "install 1, first 2, second 2"
