#!/bin/sh
# A commit made visitable by hand, with the commands that one would type: DOCKER CLONE COMMIT.
# Ends with the application's first answer, and prints the id of its container.
set -eu
docker=$1 clone=$2 commit=$3

git -C "$clone" fetch --quiet origin
image=$(git -C "$clone" archive "$commit" | "$docker" build --quiet - 2>/dev/null)
container=$("$docker" run --detach --publish-all "$image")
# Of several ports the lowest: where there is one for TLS it is the higher one.
address=$("$docker" port "$container" | sort -n | sed -n '1 s/.* -> //p')
# A relay of the engine may take a connection for an application that never hears of it.
tries=0
until curl --silent --max-time 2 --output /dev/null "http://$address/"; do
  tries=$((tries + 1))
  # Some commits build and do not run. Asked each time, the engine would delay an answer.
  if [ $((tries % 100)) = 0 ] && [ -z "$("$docker" ps --quiet --filter "id=$container")" ]; then
    "$docker" rm --force --volumes "$container" >/dev/null
    echo "the application of $commit has exited" >&2
    exit 1
  fi
  sleep 0.02
done
echo "$container"
