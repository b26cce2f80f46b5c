# Sourced: the Node packages of node/, kept in $CLIENTS_CACHE as those of tests/clients, and a browser.
page=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$page/../clients/environment.sh"

make_node() {
  command -v npm >/dev/null && node -e 'process.exit(Number(process.versions.node.split(".")[0] < 20))' ||
    die "node 20 or newer is needed, with npm"
  local want
  want=$(cat "$page"/node/package*.json | sha256sum)
  lock_cache
  if [ "$(cat "$clients_cache/page/made-from" 2>/dev/null)" != "$want" ]; then
    rm -rf "$clients_cache/page"
    mkdir "$clients_cache/page"
    cp "$page"/node/package*.json "$clients_cache/page"
    (cd "$clients_cache/page" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) ||
      die "npm could not install $page/node/package.json (see above)"
    echo "$want" > "$clients_cache/page/made-from"
  fi
  exec 9>&-
  export PAGE_NODE=$clients_cache/page/node_modules
}

find_browser() {
  local name
  for name in chromium chromium-browser google-chrome; do
    if PAGE_BROWSER=$(command -v "$name"); then
      export PAGE_BROWSER
      return
    fi
  done
  die "there is no Chromium; on Debian: apt install chromium"
}
