#!/bin/sh
# Installs the real servers that the tests and benchmarks run against, where this user may; says what is missing where not.
missing=""
for program in nginx wrk; do
    command -v "$program" >/dev/null 2>&1 || test -x "/usr/sbin/$program" || missing="$missing $program"
done
command -v postgres >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$missing postgresql"
command -v redis-server >/dev/null 2>&1 || command -v valkey-server >/dev/null 2>&1 || missing="$missing redis-server"
test -e /usr/lib/nginx/modules/ngx_stream_module.so || missing="$missing libnginx-mod-stream"
command -v openssl >/dev/null 2>&1 || missing="$missing openssl"
command -v promtool >/dev/null 2>&1 || missing="$missing prometheus"
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing$missing ..."
    # The packages start nginx on port 80, a PostgreSQL, a Redis and a Prometheus, in some set-ups; the tests start their own.
    (apt-get update -qq && DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -qq -y --no-install-recommends $missing) >/dev/null 2>&1 ||
        echo "Could not install$missing; the tests that need them will be skipped and say so."
else
    echo "Not installed:$missing (no root or no apt); the tests that need them will be skipped and say so."
fi
exit 0
