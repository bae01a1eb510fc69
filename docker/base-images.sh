#!/usr/bin/env bash
# Sees to it that base images are in the engine: pulls them, or, where that fails and the engine
# is pool's own (docker/engine.sh), makes stand-ins from what this machine has.
#
#   docker/base-images.sh [image…]      busybox:latest and node:24-slim when none is named
#
# A stand-in carries the label dev.pool.stand-in and stays until it is removed (docker rmi); the
# run after that tries to pull again. No other engine ever gets one: whoever else uses it would
# be surprised by a tag that is not what it says.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
certificates=/etc/ssl/certs/ca-certificates.crt

say() { printf 'base-images: %s\n' "$@" >&2; }
fail() { say "$@"; exit 1; }
# The engine is asked without its command line, which newer distributions package apart from it.
api() { "$here/engine.sh" api "$@"; }

main() {
  local image engine
  case ${1-} in -h | --help) sed -n '2,/^set/ { /^set/d; s/^# \{0,1\}//; p; }' "$0"; return ;; esac
  [ $# -gt 0 ] || set -- busybox:latest node:24-slim
  engine=$("$here/engine.sh" up)
  export DOCKER_HOST="${engine#*=}"
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  umask 022 # folders made here become an image's folders
  for image; do
    case ${image##*/} in *[:@]*) ;; *) image=$image:latest ;; esac # else every tag would be pulled
    present "$image" || pull "$image" || stand_in "$image"
  done
}

present() {
  local about
  about=$(api GET "/images/$1/json" 2>/dev/null) || return
  case $about in *'"dev.pool.stand-in"'*) say "$1: present, a stand-in" ;; *) say "$1: present" ;; esac
}

pull() {
  case ${why-} in silent*) return 1 ;; esac # some networks swallow what they do not let out: wait once
  say "$1: pulling"
  why=$(api POST "/images/create?fromImage=$1" 30 </dev/null 2>&1 >/dev/null) && say "$1: pulled"
}

stand_in() {
  local cannot="$1 is not here and cannot be pulled: $why"
  case $1=$(api GET /info) in
  busybox:latest=*'"dev.pool.engine='* | node:24-slim=*'"dev.pool.engine='*) ;;
  *) fail "$cannot" "pull it where a registry can be reached, docker save it there and docker load it here" ;;
  esac
  [ "$(id -u)" = 0 ] || fail "$cannot" "only root can make a stand-in: sudo $0 $1"
  exec 9<"${BASH_SOURCE[0]}" # this file is the lock; who comes second finds the image of the first
  flock 9
  if ! present "$1"; then
    say "$1: not to be had ($why)"
    root=$work/$1
    "make_${1%:*}" "$1"
    say "$1: a stand-in is made of $made_of"
  fi
  exec 9<&-
}

make_busybox() {
  make_root
  import "$1" CMD '["sh"]'
}

make_node() {
  local node version libraries
  node=$(PATH=$here/../node_modules/.bin:$PATH node -p process.execPath) # the project's own if it is installed
  version=$("$node" -p process.versions.node)
  [ "${version%%.*}" = 24 ] || fail "$1: $node is $version, not 24" "npm ci brings the right one; then try again"
  make_root
  install -D "$node" "$root/usr/local/bin/node"
  mapfile -t libraries < <(ldd "$node" | grep -o '/[^ ]*')
  # The first two are what older C libraries look up names with, the third is what these need.
  libraries+=("$(ldd "$node" | sed -n 's|.* \(/.*\)/libc\.so.*|\1|p')"/lib{nss_dns,nss_files,resolv}.so.2)
  cp -L --parents "${libraries[@]}" "$root"
  echo node:x:1000:1000::/home/node:/bin/sh >>"$root/etc/passwd"
  echo node:x:1000: >>"$root/etc/group"
  install -d -o 1000 -g 1000 "$root/home/node"
  made_of+=", Node $version (no npm) and the C library of $(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release)"
  import "$1" CMD '["node"]' ENV "NODE_VERSION=$version"
}

# A static busybox under all of its names, users, and the certificates this machine trusts.
make_root() {
  local busybox
  busybox=$(command -v busybox || true)
  # Only unpacked: installing busybox-static would put the package busybox out.
  if [ -z "$busybox" ] || ldd "$busybox" >/dev/null 2>&1; then
    download busybox-static >"$work/log" 2>&1 ||
      fail "the package busybox-static cannot be had: $(tail -n 1 "$work/log")" "apt-get update, then try again"
    busybox=$(find "$work/busybox-static" -path '*/bin/busybox')
  fi
  made_of=$("$busybox" | sed -n '1 s/ multi-call.*//p')
  mkdir -p "$root"/{bin,sbin,etc,root,tmp,usr/{bin,sbin,local/bin},var/tmp}
  chmod 1777 "$root"/{tmp,var/tmp}
  install "$busybox" "$root/bin/busybox"
  chroot "$root" /bin/busybox --install -s      # where Debian has its commands: /usr/bin/env
  chroot "$root" /bin/busybox --install -s /bin # where the real image has them: /bin/httpd
  printf '%s\n' root:x:0:0::/root:/bin/sh www-data:x:33:33::/var/www:/bin/false \
    nobody:x:65534:65534::/nonexistent:/bin/false >"$root/etc/passwd"
  printf '%s\n' root:x:0: www-data:x:33: nogroup:x:65534: >"$root/etc/group"
  echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
  [ ! -e $certificates ] || install -D -m 644 $certificates "$root$certificates"
}

download() (
  cd "$work"
  apt-get download "$1" || { apt-get update && apt-get download "$1"; } || exit
  dpkg-deb -x "$1"_*.deb "$1"
)

#   import IMAGE INSTRUCTION VALUE…    the instructions as in a Dockerfile
import() {
  local query="fromSrc=-&repo=${1%:*}&tag=${1#*:}"
  shift
  set -- "$@" LABEL "dev.pool.stand-in=\"$made_of\"" ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  [ ! -e $certificates ] || set -- "$@" ENV "SSL_CERT_FILE=$certificates" ENV "NODE_EXTRA_CA_CERTS=$certificates"
  while [ $# -gt 0 ]; do
    query+="&changes=$1 $2"
    shift 2
  done
  tar -C "$root" -c . | api POST "/images/create?$query" 120 >/dev/null
}

main "$@"
