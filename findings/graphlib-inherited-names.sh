#!/bin/sh
# @dagrejs/graphlib 4.0.6: a node that is called like a property of Object.prototype, such as "toString", is in the graph and
# not in its list.
#
# Input: an acyclic graph of the edges a -> toString -> b.
# Expected: three nodes, and an order a, toString, b.
# Seen: hasNode("toString") is true; nodes() and nodeCount() have only a and b; alg.isAcyclic() is false; alg.topsort() throws.
# The tables of nodes are plain objects, and setNode() asks whether a name is "in" them.
#
# Names of nodes often come from users: anything that hands theirs to this library has to check, or to map them.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund @dagrejs/graphlib@4.0.6
cat >run.cjs <<'EOF'
const { Graph, alg } = require("@dagrejs/graphlib");
const graph = new Graph({ directed: true });
graph.setEdge("a", "toString");
graph.setEdge("toString", "b");
let order = "throws";
try {
  order = alg.topsort(graph).join(",");
} catch {}
console.log(graph.hasNode("toString"), graph.nodes().join(","), graph.nodeCount(), alg.isAcyclic(graph), order);
EOF
seen=$(node run.cjs)
echo "$seen"
test "$seen" = "true a,b 2 false throws"
