# shellcheck shell=bash
# Sourced by the other scripts: the repository's root, cargo on the PATH, packages, and timed, counted steps.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
# shellcheck disable=SC2034
root=$PWD
export PATH="$root/.node/node_modules/node/bin:${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"

say() { printf '\n==> %s\n' "$*"; }
have() { command -v "$1" >/dev/null; }
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# debian PACKAGE…: installs them, where there is such a thing as apt.
debian() {
    local packages=("$@") sudo=()
    have apt-get || fail "install ${packages[*]} (or their like on this system), then run this again"
    [[ $(id -u) == 0 ]] || sudo=(sudo)
    say "Installing from Debian or Ubuntu: ${packages[*]}"
    ${sudo[@]+"${sudo[@]}"} apt-get update -q
    ${sudo[@]+"${sudo[@]}"} env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qy --no-install-recommends "${packages[@]}"
}

# bundle …: esbuild, for what calls the core by the short names that it got as it was built.
bundle() {
    npx esbuild --log-level=warning --bundle --format=esm "--mangle-props=^(link|mirror|replica)_" \
        --mangle-cache=packages/tapeline/wasm/names.json "$@"
}

passed=0
timings=()
notes=()

# step NAME COMMAND…: runs it; the first that fails ends the whole run.
step() {
    local name=$1 begun=$SECONDS
    shift
    say "$name"
    if ! "$@"; then
        report "$name failed after $((SECONDS - begun)) s"
        printf 'steps: %d passed, 1 failed\n' "$passed"
        exit 1
    fi
    passed=$((passed + 1))
    timings+=("$name $((SECONDS - begun)) s")
}

report() {
    local line
    printf '\n'
    for line in ${timings[@]+"${timings[@]}"} ${notes[@]+"${notes[@]}"} "$@"; do
        printf '  %s\n' "$line"
    done
}

summary() {
    report "total $SECONDS s"
    printf 'steps: %d passed, 0 failed\n' "$passed"
}
