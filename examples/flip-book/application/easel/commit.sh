#!/bin/sh
# Answers at /cgi-bin/commit with the commit that this container was started for, if it was told.
printf 'Content-Type: text/plain\r\n\r\n%s\n' "$POOL_COMMIT"
