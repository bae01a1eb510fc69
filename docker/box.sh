#!/bin/sh
# Makes a Debian machine of one's own serve pool on port 8080, after each boot: the repositories of
# the pool.config.ts at the top of these sources, else the demo's flip-book. As root; run again it
# takes what changed.
set -eu

from=$(cd "$(dirname "$0")/.." && pwd)
to=/opt/pool
home=/var/lib/pool

say() { printf '\nbox: %s\n' "$*"; }

say "Debian's git and npm; npm ci brings a newer Node along"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq -y --no-install-recommends ca-certificates git npm >/dev/null

say 'an engine'
# A new one keeps containers on its own network apart, where they start the soonest. One that is here
# already may have containers that speak with one another.
if ! (PATH=$PATH:/usr/sbin && command -v dockerd) >/dev/null && [ ! -e /etc/docker/daemon.json ]; then
  mkdir -p /etc/docker
  echo '{ "icc": false }' >/etc/docker/daemon.json
fi
"$from/docker/engine.sh" up
id pool >/dev/null 2>&1 || useradd --system --home-dir $home --create-home --user-group pool
usermod --append --groups docker pool

say "pool itself, in $to"
rm -rf $to/src
mkdir -p $to
tar -C "$from" --exclude=./.git --exclude=./.vagrant --exclude=./.demo --exclude=node_modules -c . | tar -C $to -xo
(cd $to && npm ci --no-audit --no-fund --loglevel=error)
node=$to/node_modules/.bin/node

say 'what it serves'
if [ -e "$from/pool.config.ts" ]; then
  folder=$from what=
else
  folder=$home what="--repository $home/flip-book"
  [ -e $home/flip-book ] || runuser -u pool -- $node -e "
    import('$to/examples/flip-book/make-repository.ts').then((book) => book.makeRepository('$home/flip-book'))"
fi
cat >/etc/systemd/system/pool.service <<EOF
[Unit]
Description=pool: every commit is a URL
After=network-online.target docker.service
Wants=network-online.target docker.service

[Service]
User=pool
WorkingDirectory=$folder
Environment=XDG_DATA_HOME=/var/lib
ExecStart=$node --disable-sigusr1 --disable-warning=DEP0060 --max-semi-space-size=8 $to/src/cli/pool.ts serve --listen 0.0.0.0:8080 $what
Restart=always
NoNewPrivileges=yes

[Install]
WantedBy=multi-user.target
EOF
[ -d /run/systemd/system ] || { say 'systemd does not run here: start pool.service yourself' && exit; }
systemctl daemon-reload
systemctl enable --quiet pool
systemctl restart pool
say 'http://pool.localhost:8080/'
