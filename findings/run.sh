#!/bin/sh
# Runs every finding, or those that are named: findings/run.sh [NAME…]. It needs the network, and is no part of the tests.
cd "$(dirname "$0")" || exit 1
[ $# -gt 0 ] || set -- $(ls ./*.sh | grep -v '/run\.sh$' | sed 's|^\./||; s|\.sh$||')
failed=0
for name in "$@"; do
  if output=$(sh "./$name.sh" 2>&1); then echo "as described: $name"; else
    failed=1
    echo "changed: $name"
    echo "$output" | sed 's/^/  /'
  fi
done
exit $failed
