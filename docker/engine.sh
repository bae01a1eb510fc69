#!/bin/sh
# Finds a Docker engine, or starts one of pool's own where none answers.
#
#   docker/engine.sh up       find an engine, else start one (done when nothing is named)
#   docker/engine.sh status   which engine would be used; exit 1 if there is none
#   docker/engine.sh stop     end the engine that `up` started, and only that one
#   docker/engine.sh api METHOD PATH [SECONDS]
#                             one request to $DOCKER_HOST, given up after so much silence
#
# `up` and `status` print one line, DOCKER_HOST=unix:///…; what is meant for people goes to
# standard error. So a script says:  engine=$(docker/engine.sh) && export "$engine"
#
# DOCKER_HOST, if set, is the only engine asked. POOL_ENGINE_DIR is where an engine of pool's
# own keeps images, socket and log (else ~/.local/share/pool/engine).
set -eu

PATH=$PATH:/usr/sbin:/sbin # a plain `su` leaves out where dockerd and iptables live
HOME=${HOME:-~}
dir=${POOL_ENGINE_DIR:-${XDG_DATA_HOME:-$HOME/.local/share}/pool/engine}
case $dir in /*) ;; *) dir=$PWD/$dir ;; esac
export POOL_ENGINE_DIR="$dir"
own=unix://$dir/docker.sock
bridge=pool-$(printf %s "$dir" | cksum | cut -c 1-8) # an interface's name ends at 15 characters
label=dev.pool.engine

say() { printf 'engine: %s\n' "$@" >&2; }
fail() { say "$@"; exit 1; }

up() {
  found=$(look 0)
  case $found in
  ok*) ;;
  denied*) fail "the engine at ${found#* } denies you access" \
    "add yourself to the socket's group: sudo usermod -aG docker $(id -un), then log in again" ;;
  *)
    [ "${DOCKER_HOST:-$own}" = "$own" ] || fail "DOCKER_HOST is $DOCKER_HOST, where no engine answers" \
      "start that engine, or unset DOCKER_HOST to have another one looked for"
    debian || fail "no Docker engine answers, and only on Debian and Ubuntu can this script start one" \
      "start yours (a service, Docker Desktop, Colima), or set DOCKER_HOST to where it listens"
    [ "$(id -u)" = 0 ] || fail "no Docker engine answers, and only root can start one" \
      "sudo apt-get install docker.io && sudo usermod -aG docker $(id -un), then log in again"
    check_dir
    locked start
    found=$(look 0)
    [ "$found" != none ] || fail "the engine was stopped again at once by someone else" "try again" ;;
  esac
  echo "DOCKER_HOST=${found#* }"
}

status() {
  found=$(look 0)
  case $found in
  ok*) ;;
  denied*) fail "the engine at ${found#* } denies you access" ;;
  *) fail "no engine answers" ;;
  esac
  info=$(ask request "${found#* }" 10 GET /info)
  case $info in *"\"$label="*) by="started by engine.sh" ;; *) by="not started by engine.sh" ;; esac
  say "version $(printf %s "$info" | sed 's/.*"ServerVersion":"\([^"]*\)".*/\1/'), $by"
  echo "DOCKER_HOST=${found#* }"
}

stop() {
  [ -e "$dir/lock" ] || { say "nothing to stop" && return; }
  [ -w "$dir/lock" ] || fail "$dir belongs to someone else" "stop it as the user who started it"
  locked end
}

# Two calls at once must not start two engines. Without --close, what is started here to stay
# would hold the lock for as long.
locked() { flock --close "$dir/lock" sh "$0" "$1"; }

start() {
  case $(look 0) in ok*) return ;; esac # whoever held the lock before has started it
  ! running || fail "dockerd runs (pid $pid) but does not answer; its log is $dir/dockerd.log" \
    "docker/engine.sh stop, then try again"
  if install_missing && [ -d /run/systemd/system ]; then # then the package starts the system's engine
    case $(look 5) in ok*) return ;; esac
  fi
  launch
}

launch() {
  patience=30
  heal
  make_bridge
  say "starting dockerd, its data under $dir"
  other=$(grep -lszxE '(.*/)?dockerd' /proc/[0-9]*/cmdline | cut -d/ -f3 | head -n 1)
  [ -z "$other" ] || say "(another dockerd runs here, pid $other; to use it, set DOCKER_HOST to its socket)"
  # With another dockerd nothing is shared: neither its configuration file nor its bridge nor,
  # where both use the system's containerd, its containers. Nor its addresses: an engine's usual
  # ranges end after 31 networks, those of other engines on the machine counted. Containers on its
  # bridge do not reach one another (icc), so that previews need no slower network of their own.
  echo '{}' >"$dir/daemon.json"
  setsid dockerd --config-file "$dir/daemon.json" --host "$own" --pidfile "$dir/dockerd.pid" \
    --data-root "$dir/data" --exec-root "$dir/run" --bridge "$bridge" --icc=false \
    --default-address-pool base=10.176.0.0/12,size=24 \
    --containerd-namespace "$bridge" --containerd-plugins-namespace "$bridge-plugins" \
    --label $label=started-by-engine.sh </dev/null >"$dir/dockerd.log" 2>&1 &
  case $(ask probe $patience $! "$own") in ok*) return ;; esac
  grep -v module=grpc "$dir/dockerd.log" | tail -n 15 >&2 # which fills pages with tries to connect
  terminate
  fail "dockerd did not start; above is the end of $dir/dockerd.log" \
    "mend that (a container must be a privileged one), or set DOCKER_HOST to an engine elsewhere"
}

end() {
  running || [ -z "$(left_over)" ] || launch # only an engine can end the containers of a killed one
  outcome="nothing to stop"
  ! running || outcome=stopped
  terminate
  say "$outcome"
}

terminate() {
  tries=0
  ! running || kill "$pid"
  while running; do
    [ $((tries += 1)) -le 450 ] || fail "dockerd (pid $pid) has not ended in 45 s; its log is $dir/dockerd.log" \
      "kill -9 $pid; the next start tidies up"
    sleep 0.1
  done
  for link in $bridge $(own_bridges); do # an engine leaves them, and the next one finds their addresses taken
    ip link delete "$link" 2>/dev/null || true
    for table in nat filter; do # and their rules, which would rewrite the next one's traffic
      iptables -w -t $table -S 2>/dev/null | sed -n "/ $link / s/^-A/-D/p" | xargs -rL 1 iptables -w -t $table || true
    done
  done
  umount "$dir"/run/netns/* 2>/dev/null || true # that of a container on the host's network stays
  # A killed engine leaves the file systems of its build steps mounted; deepest first.
  cut -d ' ' -f 2 /proc/self/mounts | grep -F "$dir/data/" | sort -r |
    while read -r mount; do umount "$mount" 2>/dev/null || true; done
  # An engine mounts its data folder onto itself, and one that followed a killed one leaves it so.
  # (A disk mounted there has another device than the folder above it.)
  [ "$(stat -c %d "$dir/data" 2>/dev/null)" != "$(stat -c %d "$dir")" ] || umount "$dir/data" 2>/dev/null || true
}

# The bridges that the engine made for networks; their names can be read where no engine runs, too.
own_bridges() {
  grep -aoE '"BridgeName":"br-[0-9a-f]{12}"' "$dir/data/network/files/local-kv.db" 2>/dev/null |
    cut -d '"' -f 4 | sort -u
}

# The pid in the file may be another process by now (a crash, a reboot): its command line tells.
running() {
  pid=$(cat "$dir/dockerd.pid" 2>/dev/null) && grep -qsx dockerd "/proc/$pid/comm" &&
    grep -qszxF "$dir/dockerd.pid" "/proc/$pid/cmdline"
}

# What a killed engine leaves: maybe its containerd, and a shim for every container. (The pattern
# comes through a pipe, or grep would find itself.)
# shellcheck disable=SC2062 # the files are no pattern
left_over() { printf %s "$dir/run/containerd/" | grep -lsF -f - /proc/[0-9]*/cmdline | cut -d/ -f3; }

# A stale pid, someone else's by now, would keep dockerd and containerd from starting. The shims
# stay: through them the new engine ends the old one's containers.
heal() {
  for pid in $(left_over); do
    ! grep -qsx containerd "/proc/$pid/comm" || kill -9 "$pid" 2>/dev/null || true
  done
  rm -f "$dir/dockerd.pid" "$dir/docker.sock" "$dir/run/containerd/containerd.pid"
  if [ -n "$(left_over)" ]; then
    say "an engine was killed here: its containers are ended first, which may take 10 s and more"
    patience=90
    return
  fi
  umount "$dir"/run/netns/* 2>/dev/null || true
  rm -rf --one-file-system "$dir/run"
}

# On docker0 two engines hand out the same addresses; this one's bridge takes a range of its own.
make_bridge() {
  ! ip link show dev "$bridge" >/dev/null 2>&1 || return 0 # /sys may be another namespace's
  for range in 172.31 172.30 172.29 172.28 172.27 172.26 10.213 10.214 10.215; do
    used=$(ip -4 route show match $range.0.1 | sed /^default/d && ip -4 route show root $range.0.0/16)
    [ -n "$used" ] || break
  done
  # Without an address of its own it takes the lowest of its containers', another one whenever one of
  # them comes or goes, and the others' connections stand still until they have asked for it.
  ip link add "$bridge" address 02:42:00:00:00:01 type bridge
  ip address add "$range.0.1/16" dev "$bridge"
  ip link set "$bridge" up
}

# shellcheck source=/dev/null
debian() { (. /etc/os-release && echo " ${ID:-} ${ID_LIKE:-} ") 2>/dev/null | grep -qE ' (debian|ubuntu) '; }

# Succeeds if there was something to install.
install_missing() {
  missing=$(
    has dockerd || echo docker.io
    has iptables || echo iptables
    has ip || echo iproute2
    [ -e /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates # else no registry is trusted
    # Where the kernel has AppArmor on, no container starts without its parser.
    ! grep -qs Y /sys/module/apparmor/parameters/enabled || has apparmor_parser || echo apparmor
  )
  [ -n "$missing" ] || return 1
  # shellcheck disable=SC2086 # several words
  set -- $missing
  say "installing $* with apt-get, its output in $dir/install.log"
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update && apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=120 "$@"; } \
    </dev/null >"$dir/install.log" 2>&1 && return
  tail -n 15 "$dir/install.log" >&2
  fail "apt-get failed; above is the end of $dir/install.log" \
    "apt-get update && apt-get install $*, then try again"
}
has() { command -v "$1" >/dev/null; }

check_dir() {
  # The kernel takes 107 bytes of a socket's path and containerd 104; this one is the longest here.
  over=$(($(printf %s "$dir/run/containerd/containerd-debug.sock" | wc -c) - 104))
  [ $over -le 0 ] || fail "POOL_ENGINE_DIR is $over bytes too long for sockets: $dir" "set it to a shorter path"
  case $dir in *[!A-Za-z0-9/._+@:-]*)
    fail "POOL_ENGINE_DIR may have only letters, digits and /._+@:- in it: $dir" "set it to such a path" ;;
  esac
  mkdir -p "$dir"
}

# "ok HOST", "denied HOST" or "none", having looked for so many seconds.
look() {
  if [ -n "${DOCKER_HOST:-}" ]; then
    ask probe "$1" - "$DOCKER_HOST"
  else # the system's engine, a rootless one, Docker Desktop, Colima, pool's own
    ask probe "$1" - unix:///var/run/docker.sock \
      ${XDG_RUNTIME_DIR:+"unix://$XDG_RUNTIME_DIR/docker.sock"} \
      "unix://$HOME/.docker/run/docker.sock" "unix://$HOME/.colima/default/docker.sock" "$own"
  fi
}

# The one HTTP client sure to be here is Node (any version from 18 on).
#   ask probe SECONDS PID HOST…    until one answers, or the process PID has gone ("-": no process)
#   ask request HOST SECONDS METHOD PATH    prints the answer; POST sends standard input
ask() {
  # shellcheck disable=SC2016 # the backticks and dollars are JavaScript's
  node -e '
    const { readFileSync } = require("node:fs")
    const { DOCKER_TLS_VERIFY: verify, DOCKER_CERT_PATH: certs = process.env.HOME + "/.docker" } = process.env

    function address(host) {
      if (host.startsWith("unix://")) return { socketPath: host.slice(7) }
      const { hostname, port } = new URL(host)
      const at = { host: hostname.replace(/[[\]]/g, ""), port: port || (verify ? 2376 : 2375) }
      const pem = (name) => readFileSync(`${certs}/${name}.pem`)
      return verify ? { ...at, protocol: "https:", ca: pem("ca"), cert: pem("cert"), key: pem("key") } : at
    }

    const request = (host, seconds, method, path) => new Promise((resolve, reject) => {
      const options = { ...address(host), method, path: encodeURI(path).replaceAll("+", "%2B"), timeout: seconds * 1000 }
      const sent = require(options.protocol ? "node:https" : "node:http").request(options, (answer) => {
        let text = ""
        answer.setEncoding("utf8").on("data", (part) => (text += part)).on("error", reject)
        answer.on("end", () => resolve({ status: answer.statusCode, headers: answer.headers, text }))
      })
      sent.on("timeout", () => sent.destroy(new Error(`silent for ${seconds} s`))).on("error", reject)
      method === "POST" ? process.stdin.pipe(sent) : sent.end()
    })

    // A child that has died and was not waited for is still in /proc, without a command line.
    const gone = (pid) => { try { return !readFileSync(`/proc/${pid}/cmdline`).length } catch { return true } }

    async function probe(seconds, pid, ...hosts) {
      for (const end = Date.now() + seconds * 1000; ; await new Promise((next) => setTimeout(next, 50))) {
        let verdict = "none"
        for (const host of hosts) {
          const { status, headers, code } = await request(host, 3, "GET", "/_ping").catch((error) => error)
          if (status === 200 && headers["api-version"]) return `ok ${host}`
          if (code === "EACCES") verdict = `denied ${host}`
        }
        if (Date.now() >= end || (pid !== "-" && gone(pid))) return verdict
      }
    }

    // A failure is a status, or (pull, import) a line in a stream that began with 200.
    async function reply(...about) {
      const { status, text } = await request(...about)
      const parse = (line) => { try { return JSON.parse(line) } catch { return {} } }
      const { error } = text.split("\n").map(parse).find((line) => line.error) ?? {}
      if (status < 400 && !error) return text.trimEnd()
      throw new Error(error || parse(text).message || `HTTP ${status}`)
    }

    const [verb, ...about] = process.argv.slice(1)
    const say = (error) => console.error(error.message || error.code)
    ;({ probe, request: reply })[verb](...about).then(console.log, (error) => (say(error), process.exit(1)))
  ' "$@"
}

case ${1:-up} in
up | status | stop | start | end) "${1:-up}" ;;
api) ask request "${DOCKER_HOST:?}" "${4:-60}" "$2" "$3" ;;
-h | --help) sed -n '2,/^set/ { /^set/d; s/^# \{0,1\}//; p; }' "$0" ;;
*) fail "unknown: $1" "usage: docker/engine.sh [up|status|stop]" ;;
esac
