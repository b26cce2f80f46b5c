# Sourced: the Python of the clients, made from requirements.txt on first use and kept in $clients_cache.
clients=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
clients_cache=${CLIENTS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/keyturner-clients}
die() { echo "${0##*/}: $*" >&2; exit 1; }

# Two runs at once do not make it twice: fd 9 holds the lock until it is closed.
lock_cache() {
  mkdir -p "$clients_cache"
  exec 9> "$clients_cache/.lock"
  flock -w 600 9 || die "another run has held $clients_cache/.lock for 10 minutes; end it or remove the file"
}

make_python() {
  local want
  command -v dbus-daemon >/dev/null || die "dbus-daemon is missing; on Debian: apt install dbus"
  want=$(sha256sum < "$clients/requirements.txt")
  lock_cache
  if [ "$(cat "$clients_cache/venv/made-from" 2>/dev/null)" != "$want" ]; then
    rm -rf "$clients_cache/venv"
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || die "python3 is older than 3.11; install python3.11 or newer"
    python3 -m venv "$clients_cache/venv" || die "python3 cannot make a venv; on Debian: apt install python3-venv"
    "$clients_cache/venv/bin/pip" install -q --disable-pip-version-check -r "$clients/requirements.txt" ||
      die "pip could not install $clients/requirements.txt (see above)"
    echo "$want" > "$clients_cache/venv/made-from"
  fi
  exec 9>&-
}
