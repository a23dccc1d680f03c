#!/bin/sh
# Give a user without name and home what git, DVC and Python ask for, then run the command.
set -eu
# Of another user's private folder not even dvc.yaml is seen.
if [ ! -w . ] && { [ -e dvc.yaml ] || [ ! -x . ]; }; then
  owner=$(stat --format %u:%g "$PWD")
  echo "$PWD belongs to $owner, this container runs as $(id -u):$(id -g). Add: --user $owner (compose: export OWNER=$owner)" >&2
  exit 1
fi
# Under --read-only the mounted checkout is the only place to write to; .dvc/tmp is DVC's own, and git ignores it.
scratch=/tmp
[ -w /tmp ] || scratch=$PWD/.dvc/tmp/container
export HOME="$scratch/home" TMPDIR="$scratch" DVC_SITE_CACHE_DIR="$scratch/site-cache" USER="${USER:-iquitos}"
mkdir -p "$HOME"
exec "$@"
