#!/bin/sh
# Installs the package with npm 11, and uses it with each version of Node: an instance, plans, modules in Python and
# TypeScript, pictures, the library, the page. Needs what `npm run build` makes, and the network. VERSIONS names others.
set -eu
cd "$(dirname "$0")/.."
versions=${VERSIONS:-20.19.0 22.23.3 24.9.0}
box=$(mktemp -d)
trap 'rm -rf "$box"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
npm pack --ignore-scripts --silent --pack-destination "$box" >/dev/null
npm install --silent --no-audit --no-fund --prefix "$box/npm" npm@11.21.2
status=0
for version in $versions; do
  npm install --silent --no-audit --no-fund --prefix "$box/$version" "node@$version"
  node=$(realpath "$box/$version/node_modules/.bin/node")
  echo "Node $("$node" --version)"
  "$node" "$box/npm/node_modules/npm/bin/npm-cli.js" install --global --silent --no-audit --no-fund \
    --prefix "$box/elsewhere-$version" "$box"/sluice-*.tgz
  node scripts/use-installed.mjs "$box/elsewhere-$version" "$node" || status=1
done
exit "$status"
