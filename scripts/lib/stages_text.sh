# shellcheck shell=bash
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Sourced by scripts/test.sh: the stages that look at the text of the collection, lint and sanity.

# What takes minutes takes turns by day: the demo, the documentation site, scenarios of the stage roles that work in
# emulated guests, pylint in the stage sanity, and the scenarios of the roles of hosts, which the unit tests play as well.
# In a full or deep run, all of them run.
readonly LONG=(demo agent guest_image two_vms from_vagrant pylint vmm_host vmm_network hyperv_host wsl_host docsite)

# These take turns, too: together they take half of the stages of this file. When it is not their turn, they check the
# files that changed.
readonly ALTERNATING=(ansible_lint oldest_core)

# takes_turns: whether this run leaves out what is not its turn, or passed here before: not a full or deep run.
takes_turns() { [[ $DEEP = false && $FULL = false ]]; }

# A full run has the same generated cases whenever it runs.
readonly _SEED_OF_FULL=1

# fix_seed: the seed of this run, once for all stages and their workers, because a run may pass midnight: the date if tests
# take turns. A deep run draws one.
fix_seed() {
    if [ -z "${POLYVIRT_TEST_SEED-}" ]; then
        if takes_turns; then
            POLYVIRT_TEST_SEED=$(date +%Y%m%d)
        elif [ "$DEEP" = true ]; then
            POLYVIRT_TEST_SEED=$SRANDOM
        else
            POLYVIRT_TEST_SEED=$_SEED_OF_FULL
        fi
    fi
    export POLYVIRT_TEST_SEED
    say "The seed of this run; with it, another run chooses the same: POLYVIRT_TEST_SEED=$POLYVIRT_TEST_SEED"
}

# day_of_run: the number of the day that the seed of this run is. Consecutive days have consecutive numbers, also from one
# month to the next.
day_of_run() {
    local day=$POLYVIRT_TEST_SEED second
    if [[ $day =~ ^[0-9]{8}$ ]] && second=$(date -u -d "$day" +%s 2>/dev/null); then day=$((second / 86400)); fi
    echo "$day"
}

# is_turn_of NAME NAME...: whether NAME is not one of the names that follow, or has its turn on the day of this run, or
# nothing takes turns.
is_turn_of() {
    local name=$1 day
    takes_turns || return 0
    day=$(day_of_run)
    shift
    [[ " $* " != *" $name "* || ${*:day % $# + 1:1} = "$name" ]]
}

# changed_files PATHSPEC...: prints the existing files that differ from those of the parent of the last commit (of a merge:
# from those before the branch). In a clone with one commit, only what is not committed counts.
changed_files() {
    local before
    local -a git=(git -C "$CHECKOUT" -c safe.directory='*')
    before=$("${git[@]}" rev-parse --quiet --verify HEAD^) || before=HEAD
    "${git[@]}" diff --name-only --diff-filter=d "$before" -- "$@"
    "${git[@]}" ls-files --others --exclude-standard -- "$@"
}

# copy_tree NAME [PATHSPEC...]: a copy of what git would commit plus what is new, as polyvirt.core in a collections folder
# of its own; prints the copy. The tools leave caches and results beside the sources, which have no place in a checkout.
copy_tree() {
    local tree=$RUN/$1/ansible_collections/polyvirt/core
    shift
    mkdir -p "$tree"
    # safe.directory: the checkout may belong to another user, and it is only read.
    git -C "$CHECKOUT" -c safe.directory='*' ls-files -co --exclude-standard -z -- "$@" |
        tar -C "$CHECKOUT" --null --files-from=- --ignore-failed-read -cf - 2>/dev/null |
        tar -C "$tree" -xf -
    [ -e "$tree/galaxy.yml" ] || stop_with "could not copy the checkout" "it must be a git work tree: $CHECKOUT"
    # ansible-test and ansible-lint ask git which files there are.
    git -C "$tree" init -q
    echo "$tree"
}

# check NAME COMMAND…: quiet if it passes, its whole output if not. All checks run; the stage fails at its end.
check() {
    local name=$1 began=$SECONDS log="$RUN/${1//[^a-z-]/_}.log"
    shift
    if "$@" >"$log" 2>&1; then
        say "   ok      $name ($((SECONDS - began)) s)"
    else
        say "   FAILED  $name: $*"
        cat "$log" >&2
        failed_checks+=("$name")
    fi
}

# show_counts LOG: what tests counted (tests/conftest.py), also if they passed.
show_counts() {
    awk '/^=+ counts =+$/ { on = 1; next } /^=|passed|failed/ { on = 0 } on { print "           " $0 }' "$1" >&2
}

_build() { ansible-galaxy collection build --force --output-path "$RUN" .; }

_import() {
    local importer=$1 output
    cd "$RUN" || return
    # The importer ends with 0 whatever it finds; what it says decides. Its ansible-lint is milder than ours.
    output=$(GALAXY_IMPORTER_CHECK_REQUIRED_TAGS=true GALAXY_IMPORTER_RUN_ANSIBLE_LINT=false PATH="$importer/bin:$PATH" \
        "$importer/bin/python" -m galaxy_importer.main polyvirt-core-*.tar.gz 2>&1)
    printf '%s\n' "$output"
    grep -q 'processing completed successfully' <<<"$output" && ! grep -qE '^(ERROR|CRITICAL)' <<<"$output"
}

# What ansible-lint reads, and what its version follows from.
readonly _LINTED=(roles playbooks extensions meta plugins/modules .ansible-lint galaxy.yml tests/requirements.txt
    tests/constraints.txt)

# The whole documentation site: each page takes a second. Of the translations, another language each time; a full run builds
# none, a deep run all of them.
_docsite() {
    local -a languages=()
    if takes_turns; then
        languages=("$(($(day_of_run) / ${#LONG[@]}))")
    elif [ "$DEEP" = false ]; then
        languages=(english)
    fi
    if is_turn_of docsite "${LONG[@]}"; then
        check "documentation site" "$CHECKOUT/scripts/docsite.sh" "$RUN/docsite" "${languages[@]}"
    else
        say "   the documentation site is not built today (POLYVIRT_TEST_SEED)"
    fi
}

# ansible-lint takes as long as all others, and uses one core most of the time. It checks YAML, and what a file includes.
_ansible_lint() {
    local -a failed_checks=() files=()
    if ! is_turn_of ansible_lint "${ALTERNATING[@]}"; then
        mapfile -t files < <(changed_files "${_LINTED[@]}" | grep '\.yml$')
        if [ ${#files[@]} -eq 0 ]; then
            say "   ansible-lint does not run today: its files have not changed (POLYVIRT_TEST_SEED)"
            return
        fi
    fi
    check "ansible-lint${files:+ of ${#files[@]} changed files}" \
        env ANSIBLE_COLLECTIONS_PATH="$RUN/lint" ansible-lint --nocolor "${files[@]}"
    [ ${#failed_checks[@]} -eq 0 ]
}

stage_lint() {
    local importer tree linting
    local -a shell_files failed_checks=()
    importer=$(importer_environment)
    tree=$(copy_tree lint)
    cd "$tree" || return
    _ansible_lint &
    linting=$!
    # What runs in the background does not hear an interrupt.
    trap 'kill "${linting-}" 2>/dev/null || :' EXIT
    mapfile -t shell_files < <(git ls-files -co --exclude-standard '*.sh' .ci/run)
    check "gates" pytest -q tests/gates
    show_counts "$RUN/gates.log"
    check "ruff" ruff check .
    check "shellcheck" shellcheck --external-sources "${shell_files[@]}"
    check "generated parts" python scripts/generate.py --check
    check "changelog" antsibull-changelog lint
    # It leaves its log in the home folder.
    check "documentation" env HOME="$RUN" antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck .
    _docsite
    check "galaxy build" _build
    check "galaxy import" _import "$importer"
    wait "$linting" || failed_checks+=("ansible-lint")
    [ ${#failed_checks[@]} -eq 0 ] || stop_with "failed: $(printf '%s; ' "${failed_checks[@]}")"
}

# ansible-test keeps its environments in the home folder; it gets one below the cache, so that nothing is left in the
# user's own, and nothing found there counts. Only pip's settings, such as another package index, are taken along.
_test_home() {
    local home=$POLYVIRT_CACHE/ansible-test folder
    mkdir -p "$home/.config"
    for folder in .pip .config/pip; do
        [ ! -d "$HOME/$folder" ] || ln -sfn "$HOME/$folder" "$home/$folder"
    done
    echo "$home"
}

# _seed_pip HOME ENVIRONMENT: ansible-test puts a pip into the environments it makes, by a script that it downloads from
# an address of its own, not from the package index. The pip that came with Python does the same work, and saves the
# download. A script that is already there is left alone.
_seed_pip() {
    local home=$1 environment=$2 version file
    version=$("$environment/bin/python" -c '
import sys
sys.argv = ["ansible-test"]
from ansible_test._internal import python_requirements
class Any:
    version = "%d.%d" % sys.version_info[:2]
print(python_requirements.get_venv_packages(Any)["pip"])')
    file=$home/.ansible/test/cache/get_pip_${version//./_}.py
    [ -e "$file" ] && return
    mkdir -p "${file%/*}"
    printf 'import ensurepip\nensurepip.bootstrap(upgrade=True)\n' >"$file"
}

# What galaxy.yml leaves out of the collection. Only a developer runs it, with the newest ansible-core; a deep run checks it
# too.
readonly _NOT_SHIPPED=(':!extensions/molecule' ':!scripts' ':(exclude,glob)tests/*/**')

# _sanity NAME ENVIRONMENT HOME [FILE...]: in the background; its output goes to a log. Checks what users get, or some files
# of it. pylint takes longer than all other tests together and depends least on the version of ansible-core: only the
# newest has it daily, in turn.
_sanity() {
    local name=$1 environment=$2 home=$3 tree python
    shift 3
    local -a files=(.) without=()
    [ "$name" = newest ] && [ "$DEEP" = true ] || files+=("${_NOT_SHIPPED[@]}")
    if ! is_turn_of pylint "${LONG[@]}" || [[ $name != newest && $DEEP = false ]]; then
        without=(--skip-test pylint)
    fi
    tree=$(copy_tree "$name" "${files[@]}") || return
    python=$("$environment/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    cd "$tree" || return
    # Results must be those of a clean machine: none of our own settings for Ansible or Python.
    exec env -u ANSIBLE_COLLECTIONS_PATH -u PYTHONPYCACHEPREFIX HOME="$home" PATH="$environment/bin:$PATH" \
        "$environment/bin/ansible-test" sanity --local --requirements --color no --python "$python" \
        "${without[@]}" "$@" >"$RUN/$name.log" 2>&1
}

_core_version() { "$1/bin/python" -c 'from ansible.release import __version__; print(__version__)'; }

_tests_begun() { cat "$RUN"/{newest,oldest,2.*}.log 2>/dev/null | grep -c '^Running sanity test'; }

# note_of NAME PATHSPEC...: path of a file; it exists if NAME has passed with exactly these files.
note_of() {
    local name=$1 digest
    shift
    digest=$(git -C "$CHECKOUT" -c safe.directory='*' ls-files -co --exclude-standard -z -- "$@" |
        (cd "$CHECKOUT" && xargs -0 sha256sum) | sha256sum | cut -c 1-16)
    echo "$POLYVIRT_CACHE/passed/$name-$digest"
}

# has_passed NOTE: whether that is so, and counts: not in a full or deep run.
has_passed() { takes_turns && [ -e "$1" ]; }

note_passed() {
    mkdir -p "${1%/*}"
    touch "$1"
}

# _show_progress PROCESS…: a line now and then until all of them have ended.
_show_progress() {
    local began=$SECONDS next=$((SECONDS + 20))
    while kill -0 "$@" 2>/dev/null; do
        sleep 1
        [ $SECONDS -ge $next ] || continue
        say "   $((SECONDS - began)) s: $(_tests_begun) tests begun"
        next=$((SECONDS + 20))
    done
}

# The last release of every minor version between the oldest and the newest ansible-core.
readonly _CORES_BETWEEN=(2.17.14 2.18.19 2.19.14 2.20.10)

# _core_environment NAME: "newest", "oldest", or a version of ansible-core between them.
_core_environment() {
    case $1 in
        newest) echo "$MAIN_ENVIRONMENT" ;;
        oldest) oldest_environment ;;
        *) core_environment "$1" ;;
    esac
}

# _sanity_with HOME NAME...: side by side. What fails is added to the caller's "failed". The oldest ansible-core checks the
# caller's "of_oldest", or all files.
_sanity_with() {
    local name home=$1
    local -a only
    local -A environments versions jobs
    shift
    for name in "$@"; do
        environments[$name]=$(_core_environment "$name") || exit
        versions[$name]=$(_core_version "${environments[$name]}")
        _seed_pip "$home" "${environments[$name]}"
        only=()
        [ "$name" != oldest ] || only=("${of_oldest[@]}")
        _sanity "$name" "${environments[$name]}" "$home" "${only[@]}" &
        jobs[$name]=$!
    done
    # What runs in the background does not hear an interrupt.
    trap 'kill "${jobs[@]}" 2>/dev/null || :' EXIT
    say "   ansible-test sanity with ansible-core ${versions[*]}"
    [[ ${versions[oldest]-2.16.} == 2.16.* ]] || say "   NOTE: not 2.16, which needs Python 3.10, 3.11 or 3.12; none is here"
    _show_progress "${jobs[@]}"
    for name in "$@"; do
        if wait "${jobs[$name]}"; then
            say "   ok      sanity with ansible-core ${versions[$name]}: $(grep -c '^Running sanity test' "$RUN/$name.log") tests"
        else
            say "   FAILED  sanity with ansible-core ${versions[$name]} (whole output: $RUN/$name.log)"
            grep -E '^(ERROR|FATAL|[a-z0-9-]+$)' "$RUN/$name.log" >&2 || tail -n 40 "$RUN/$name.log" >&2
            failed+=("${versions[$name]}")
        fi
    done
}

# What sanity tests read.
readonly _SHIPPED=(plugins extensions/simulators meta tests/config.yml 'tests/*oldest.txt')

# The oldest ansible-core checks all files every second day, and on the other days those that the last commit changed. A
# deep run takes every minor version between the oldest and the newest, too.
stage_sanity() {
    local home passed place
    local -a failed=() names=(newest) of_oldest=()
    home=$(_test_home)
    passed=$(note_of sanity-oldest "${_SHIPPED[@]}")
    is_turn_of oldest_core "${ALTERNATING[@]}" || mapfile -t of_oldest < <(changed_files "${_SHIPPED[@]}" | grep '^plugins/')
    if has_passed "$passed"; then
        say "   the oldest ansible-core passed for these plugins before"
    elif ! is_turn_of oldest_core "${ALTERNATING[@]}" && [ ${#of_oldest[@]} -eq 0 ]; then
        say "   the oldest ansible-core does not run today: these plugins have not changed (POLYVIRT_TEST_SEED)"
    else
        names+=(oldest)
        say "   with the oldest ansible-core: ${#of_oldest[@]} changed files (0: all)"
    fi
    [ "$DEEP" = false ] || names+=("${_CORES_BETWEEN[@]}")
    for ((place = 0; place < ${#names[@]}; place += 2)); do
        _sanity_with "$home" "${names[@]:place:2}"
    done
    [ ${#failed[@]} -eq 0 ] || stop_with "sanity failed with ansible-core ${failed[*]}"
    [[ " ${names[*]} " != *" oldest "* || ${#of_oldest[@]} -gt 0 ]] || note_passed "$passed"
}
