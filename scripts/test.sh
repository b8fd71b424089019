#!/usr/bin/env bash
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Runs the tests of this checkout. Needs a fresh Debian 12 or later: as root, the script installs missing packages.
# Usage: scripts/test.sh [--full | --deep] [--shard K/N] [STAGE...]
#                                                 stages: unit sanity lint demo suite roots roles peers cores install mutants;
#                                                 default: unit sanity lint suite; --full: demo roots roles, too;
#                                                 --deep: all; --shard: the K-th of N parts of unit or suite
#        scripts/test.sh run [--root ROOT] PYTEST-ARGUMENT...
#                                                 single tests, in their own world; ROOT: with the libvirt, QEMU and
#                                                 Python of debian13 or debian-testing, or bare-debian13
#        scripts/test.sh mutants [COMMIT]         mutants of the lines of plugins that changed (tests/mutations/README.md)
# The same commit always has the same tests (docs/testing.md): a quick run takes at most QUICK_MINUTES on two idle cores, a
# full run about 50 minutes (in the workflow, in parts of at most 45), a deep run hours.
# Caches: ${POLYVIRT_CACHE:-$HOME/.cache/polyvirt}; nothing is written to the checkout.

set -uo pipefail
export LC_ALL=C.UTF-8

CHECKOUT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
readonly CHECKOUT
readonly STAGES=(unit sanity lint demo suite roots roles peers cores install mutants)
# These run in parallel with the stages before them, which have no guests: in lint and sanity, single programs keep one CPU
# busy for minutes, and the demo waits for its guest.
readonly PARALLEL_STAGES=(sanity lint demo)
# The stages of a full run that are not in a quick one, and those of a deep run only.
readonly FULL_STAGES=" demo roots roles "
readonly DEEP_STAGES=" peers cores install mutants "
readonly REPEATED_LINES=25
# What a run without arguments takes at most on two idle cores. README.md, CONTRIBUTING.md and docs/testing.md promise it.
readonly QUICK_MINUTES=20
# quick, full or deep, and the part of the tests that runs, such as 1/3.
BELT=quick
SHARD=
# [stage]: its process while it runs in parallel with others.
declare -A JOBS=()

# shellcheck source=scripts/lib/host.sh
. "$CHECKOUT/scripts/lib/host.sh"
# shellcheck source=scripts/lib/environments.sh
. "$CHECKOUT/scripts/lib/environments.sh"
# shellcheck source=scripts/lib/roots.sh
. "$CHECKOUT/scripts/lib/roots.sh"
# shellcheck source=scripts/lib/stages_text.sh
. "$CHECKOUT/scripts/lib/stages_text.sh"
# shellcheck source=scripts/lib/stages_real.sh
. "$CHECKOUT/scripts/lib/stages_real.sh"

usage() {
    sed -n 's/^# //p' "${BASH_SOURCE[0]}" | grep -A10 '^Runs'
    exit "$1"
}

# is_in_belt STAGE: whether a run without names of stages includes it.
is_in_belt() {
    case $BELT in
        quick) [[ $FULL_STAGES$DEEP_STAGES != *" $1 "* ]] ;;
        full) [[ $DEEP_STAGES != *" $1 "* ]] ;;
    esac
}

# wanted_stages WORD…: prints the stages in the order of STAGES; without words, those of the belt.
wanted_stages() {
    local word stage
    for word in "$@"; do
        [[ " ${STAGES[*]} " == *" $word "* ]] || stop_with "there is no stage '$word'" "known stages: ${STAGES[*]}"
    done
    for stage in "${STAGES[@]}"; do
        if [ $# -gt 0 ]; then
            [[ " $* " != *" $stage "* ]] || echo "$stage"
        elif is_in_belt "$stage"; then
            echo "$stage"
        fi
    done
    return 0
}

# prepare STAGE…: prepares packages, the main environment, and a directory for this run.
prepare() {
    local stage
    local -a packages
    mapfile -t packages < <(for stage in "$@"; do packages_of "$stage"; done | tr ' ' '\n' | sort -u)
    require_root_or_say "${packages[@]}"
    install_packages "${packages[@]}"
    MAIN_ENVIRONMENT=$(main_environment) || exit 1
    mkdir -p "$POLYVIRT_CACHE/runs"
    RUN=$(mktemp -d "$POLYVIRT_CACHE/runs/XXXXXX")
    export POLYVIRT_CACHE PATH="$MAIN_ENVIRONMENT/bin:$PATH"
    export RUFF_CACHE_DIR=$POLYVIRT_CACHE/ruff
    keep_bytecode
    ANSIBLE_COLLECTIONS_PATH=$("$MAIN_ENVIRONMENT/bin/python" "$CHECKOUT/scripts/lib/collection_path.py") || exit 1
    export ANSIBLE_COLLECTIONS_PATH
}

in_checkout() { cd "$CHECKOUT" && "$@"; }

# begin_stage STAGE: begins a stage that run_stage waits for.
begin_stage() {
    # Its own process group: background processes do not receive an interrupt, and the group is ended as a whole.
    set -m
    with_code "$1" in_checkout "stage_$1" </dev/null >"$RUN/$1-stage.log" 2>&1 &
    JOBS[$1]=$!
    set +m
    trap 'kill -- "${JOBS[@]/#/-}" 2>/dev/null || :' EXIT
}

# end_stage STAGE: waits for a stage that begin_stage has begun, and shows its output.
end_stage() {
    local code=0
    code_of "$1" "${JOBS[$1]}" || code=$?
    unset "JOBS[$1]"
    cat "$RUN/$1-stage.log" >&2
    return $code
}

# run_stage STAGE: a stage ends at its first failing command; the next stage runs nevertheless. Its output is in
# $RUN/STAGE-stage.log too.
run_stage() {
    local began=$SECONDS code
    say ""
    say "== $1 (at $SECONDS s)"
    if [[ -n ${JOBS[$1]-} ]]; then
        end_stage "$1"
    else
        # Not in a condition, where bash would ignore the -e.
        (
            set -e
            in_checkout "stage_$1"
        ) 2>&1 | tee "$RUN/$1-stage.log"
    fi
    code=$?
    summary+=("$(printf '%-12s %-7s %5d s' "$1" "$([ $code -eq 0 ] && echo passed || echo FAILED)" $((SECONDS - began)))")
    [ $code -eq 0 ] || failed+=("$1")
}

# run_tests PYTEST-ARGUMENT...: runs tests in one world, without workers, so that a debugger works too.
run_tests() {
    local root=
    # Of whichever belt the tests are.
    BELT=full
    if [ "${1:-}" = --root ]; then
        root=${2:-}
        shift 2
        root_tree "$root" >/dev/null || exit 2
    fi
    prepare unit suite
    cd "$CHECKOUT" || exit 1
    if [ -n "$root" ]; then
        rm -rf "$RUN"
        _build_guests
        in_root_world "$root" pytest -p no:xdist "$@"
        exit
    fi
    prepare_platforms
    [[ " $* " != *" --deep "* ]] || prepare_deep || exit 1
    POLYVIRT_TEST_CORES=$(other_cores) || exit 1
    export POLYVIRT_TEST_CORES
    rm -rf "$RUN"
    exec tests/suite/world pytest -p no:xdist "$@"
}

# run_mutants [COMMIT]: tries generated mutants of the lines that have changed, and prints those that no test detects.
run_mutants() {
    prepare unit
    rm -rf "$RUN"
    cd "$CHECKOUT" || exit 1
    exec python tests/mutations/run.py changes "$@"
}

# repeat_failures: prints the end of the output of each failed stage again, because many CI systems show only the end of
# a long output.
repeat_failures() {
    local stage
    for stage in "${failed[@]}"; do
        say ""
        say "== the end of the stage $stage"
        tail -n "$REPEATED_LINES" "$RUN/$stage-stage.log" >&2
    done
}

main() {
    local stage
    local -a named=() stages summary=() failed=()
    [ "${1:-}" != run ] || { shift; run_tests "$@"; }
    [ "${1:-}" != mutants ] || { shift; run_mutants "$@"; }
    # Options before or after the stages.
    while [ $# -gt 0 ]; do
        case $1 in
            -h | --help) usage 0 ;;
            --full | --deep) BELT=${1#--} ;;
            --shard) SHARD=${2:?such as 1/3} && shift ;;
            -*) usage 2 ;;
            *) named+=("$1") ;;
        esac
        shift
    done
    fix_seed
    stages=$(wanted_stages "${named[@]}") || exit 2
    mapfile -t stages <<<"$stages"
    prepare "${stages[@]}"
    for stage in "${PARALLEL_STAGES[@]}"; do
        [[ " ${stages[*]:1} " != *" $stage "* ]] || begin_stage "$stage"
    done
    for stage in "${stages[@]}"; do run_stage "$stage"; done
    repeat_failures
    say ""
    if [[ ${#named[@]} -eq 0 && $BELT = quick && $SECONDS -gt $((QUICK_MINUTES * 60)) ]]; then
        say "NOTE: this run took longer than $QUICK_MINUTES minutes: a busy host, or too many tests in the belt quick"
    fi
    printf '%s\n' "${summary[@]}" "$(printf '%-20s %5d s' "total" $SECONDS)" >&2
    if [ ${#failed[@]} -gt 0 ]; then
        say "failed: ${failed[*]} (logs: $RUN)"
        exit 1
    fi
    rm -rf "$RUN"
    say "all stages passed"
}

main "$@"
