# Sourced by the scripts here: where the cache is, and how they stop.
rig=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${RIG_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/keyturner-rig}

die() { echo "${0##*/}: $*" >&2; exit 1; }

# until_true SECONDS WHAT COMMAND...: polls a condition, and says what never came true.
until_true() {
  local left=$(( $1 * 50 )) what=$2; shift 2
  until "$@" 2>/dev/null; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || { echo "${0##*/}: $what did not happen in time" >&2; return 1; }
    sleep 0.02
  done
}
