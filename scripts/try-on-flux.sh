#!/bin/bash
# Runs the cases of test/e2e/on-flux.test.ts on the flux of this machine, in an instance of its own that ends with them.
# The built sluice must be there (npm run build). Exits 1 if a case fails, or there is no flux.
set -u
cd "$(dirname "$0")/.." || exit 1
sluice=(node "$PWD/dist/cli/main.cjs")

if ! command -v flux > /dev/null; then
  echo "try-on-flux: PATH has no command 'flux'; see docs/flux.md" >&2
  exit 1
fi

if [ "${1-}" != inside ]; then
  flux version
  exec flux start --test-size=1 -Sbroker.rc1_path= -Sbroker.rc3_path= "$PWD/scripts/try-on-flux.sh" inside
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/data/modprobe/modprobe.d" "$work/libexec/modprobe"
export SLUICE_DATADIR=$work/data SLUICE_LIBEXECDIR=$work/libexec SLUICE_CONFDIR=$work/none
cat > "$work/data/modprobe/modprobe.toml" << 'UNITS'
[[modules]]
name = "heartbeat"
[[modules]]
name = "content"
requires = ["heartbeat"]
after = ["heartbeat"]
[[modules]]
name = "nowhere-to-be-found"
UNITS
cat > "$work/libexec/modprobe/rc1.py" << 'RC1'
import flux
from flux.modprobe import task

def setup(context):
    context.load_modules(["content"])

@task("python", after=["content"])
def python(context):
    print("python on rank", context.handle.get_rank(), type(context.handle) is flux.Flux)
RC1
cat > "$work/libexec/modprobe/rc1.ts" << 'RC1'
import { type Context, task } from "sluice/rc";
task("typescript", { after: ["content"] }, async (c: Context) => {
  console.log("typescript", JSON.stringify(await c.rpc("attr.get", { name: "rank" })));
});
RC1
printf 'remove = ["all"]\n' > "$work/libexec/modprobe/rc3.toml"

failed=0
# The status and a text that must be printed, then the command.
try() {
  local status=$1 text=$2 printed
  shift 2
  printed=$("${sluice[@]}" modprobe "$@" 2>&1)
  local got=$?
  if [ "$got" = "$status" ] && [[ $printed == *"$text"* ]]; then
    echo "ok   modprobe $*"
  else
    echo "FAIL modprobe $*: status $got, expected $status and '$text'"
    echo "$printed"
    failed=1
  fi
}

try 0 "load heartbeat" rc1 --dry-run --on=flux
try 0 "python on rank 0 True" rc1 --on=flux
try 0 "heartbeat" analyze --on=flux
try 0 "already loaded" load --on=flux content
try 0 "# loaded" plan --on=flux
try 0 "stay as they are" apply --on=flux
printf '[content]\nargs = ["hash=sha1"]\n' > "$work/data/modprobe/modprobe.d/apply.toml"
try 0 "~ reload" apply --on=flux --dry-run
rm "$work/data/modprobe/modprobe.d/apply.toml"
try 1 "module not found in search path" load --on=flux nowhere-to-be-found
try 1 "still in use by content" remove --on=flux heartbeat
try 0 "" rc3 --on=flux
try 0 "load heartbeat" rc1 --dry-run --on=flux
exit $failed
