#!/bin/sh
# Installs Chromium and its driver with apt-get if they are missing, for `make browser-test`. On
# systems other than Debian, install Chromium or Chrome and the chromedriver of the same version,
# and name both programs in the variables CHROMIUM and CHROMEDRIVER.
set -eu

chromium=$(command -v "${CHROMIUM:-chromium}" || true)
driver=$(command -v "${CHROMEDRIVER:-chromedriver}" || true)
if [ -n "$chromium" ] && [ -n "$driver" ]; then
    exit 0
fi

fail() {
    echo "install_browser.sh: $1" >&2
    echo "Install chromium and chromium-driver yourself, or name the two programs:" >&2
    echo "    CHROMIUM=/path/to/chromium CHROMEDRIVER=/path/to/chromedriver make browser-test" >&2
    exit 1
}

if [ -n "${CHROMIUM:-}${CHROMEDRIVER:-}" ]; then
    fail "CHROMIUM='${CHROMIUM:-}' and CHROMEDRIVER='${CHROMEDRIVER:-}' are not both programs"
fi
command -v apt-get >/dev/null || fail "Chromium is missing, and there is no apt-get here"
if [ "$(id -u)" = 0 ]; then
    as_root=""
elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    as_root="sudo"
else
    fail "Chromium is missing, and installing it needs root or sudo"
fi

echo "installing chromium and chromium-driver (120 MB)"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { $as_root apt-get update \
    && $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends chromium chromium-driver; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    fail "apt-get could not install Chromium and its driver"
fi
