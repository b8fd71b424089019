# shellcheck shell=bash
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Sourced by scripts/test.sh: the stages that look at the text of the collection, lint and sanity.

# fix_seed: a deep run draws its seed, once for all stages and their workers. All others have that of tests/suite/belts.py.
fix_seed() {
    [ "$BELT" = deep ] || return 0
    export POLYVIRT_TEST_SEED=${POLYVIRT_TEST_SEED:-$SRANDOM}
    say "The seed of this run; with it, another run chooses the same: POLYVIRT_TEST_SEED=$POLYVIRT_TEST_SEED"
}

# with_code NAME COMMAND...: to be started in the background: runs a command that ends at its first failure, and writes
# its exit code to a file for code_of. bash forgets the exit code of a process if another one gets its number, which
# happens in a run of an hour.
with_code() {
    local name=$1
    shift
    set +e
    # Not in a condition, where bash would ignore the -e.
    (
        set -e
        "$@"
    )
    echo $? >"$RUN/$name.code"
}

# code_of NAME PROCESS: waits for the process of with_code; returns the exit code of its command.
code_of() {
    wait "$2" 2>/dev/null || :
    return "$(cat "$RUN/$1.code" 2>/dev/null || echo 1)"
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
    # The importer ends with 0 whatever it finds; what it says decides, warnings too. Its ansible-lint is milder than ours.
    output=$(GALAXY_IMPORTER_CHECK_REQUIRED_TAGS=true GALAXY_IMPORTER_RUN_ANSIBLE_LINT=false PATH="$importer/bin:$PATH" \
        "$importer/bin/python" -m galaxy_importer.main polyvirt-core-*.tar.gz 2>&1)
    printf '%s\n' "$output"
    grep -q 'processing completed successfully' <<<"$output" && ! grep -qE '^(WARNING|ERROR|CRITICAL)' <<<"$output"
}

# The documentation site: each page takes a second. A full run builds the pages in English, a deep run all translations.
_docsite() {
    local -a languages=(english)
    [ "$BELT" != deep ] || languages=()
    [ "$BELT" != quick ] || return 0
    check "documentation site" "$CHECKOUT/scripts/docsite.sh" "$RUN/docsite" "${languages[@]}"
    if command -v node >/dev/null; then
        check "search of the site" node "$CHECKOUT/scripts/docsite/search.js" "$RUN/docsite/html" \
            "$CHECKOUT/scripts/docsite/searches.json"
    else
        say "   NOTE: the search of the site is not checked, because node is not installed"
    fi
}

# ansible-lint takes as long as all others, and uses one core most of the time. It checks YAML, and what a file includes.
_ansible_lint() {
    local -a failed_checks=()
    check "ansible-lint" env ANSIBLE_COLLECTIONS_PATH="$RUN/lint" ansible-lint --nocolor
    [ ${#failed_checks[@]} -eq 0 ]
}

stage_lint() {
    local importer tree linting
    local -a shell_files failed_checks=()
    importer=$(importer_environment)
    tree=$(copy_tree lint)
    cd "$tree" || return
    with_code ansible-lint _ansible_lint &
    linting=$!
    # What runs in the background does not hear an interrupt.
    trap 'kill "${linting-}" 2>/dev/null || :' EXIT
    mapfile -t shell_files < <(git ls-files -co --exclude-standard '*.sh' .ci/run)
    check "gates" _pytest -q tests/gates
    show_counts "$RUN/gates.log"
    check "ruff" ruff check .
    check "shellcheck" shellcheck --external-sources "${shell_files[@]}"
    check "changelog" antsibull-changelog lint
    # It leaves its log in the home folder.
    check "documentation" env HOME="$RUN" antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck .
    _docsite
    check "galaxy build" _build
    check "galaxy import" _import "$importer"
    code_of ansible-lint "$linting" || failed_checks+=("ansible-lint")
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

# _compile_once HOME: half of the time of the test "import" is for compiling the same files again.
_compile_once() {
    local packages
    for packages in "$1"/.ansible/test/venv/sanity{,.import*}/*/*/lib/python*/site-packages; do
        [ ! -d "$packages" ] || cp "$CHECKOUT/tests/suite/compile_once.py" "$packages/sitecustomize.py"
    done
}

# _sanity NAME ENVIRONMENT HOME: in the background; its output goes to a log. Checks what users get. pylint takes longer than
# all other tests together and depends least on the version of ansible-core: a full run has it with the newest.
_sanity() {
    local name=$1 environment=$2 home=$3 tree python
    local -a files=(.) without=(--skip-test pylint)
    [ "$name" = newest ] && [ "$BELT" = deep ] || files+=("${_NOT_SHIPPED[@]}")
    case $BELT-$name in
        deep-* | full-newest) without=() ;;
    esac
    tree=$(copy_tree "$name" "${files[@]}") || return
    python=$("$environment/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    cd "$tree" || return
    # Results must be those of a clean machine: none of our own settings for Ansible or Python.
    local -a test=(env -u ANSIBLE_COLLECTIONS_PATH -u PYTHONPYCACHEPREFIX HOME="$home" PATH="$environment/bin:$PATH"
        "$environment/bin/ansible-test" sanity --local --requirements --color no --python "$python")
    {
        "${test[@]}" --test import --prime-venvs && _compile_once "$home" && exec "${test[@]}" "${without[@]}"
    } >"$RUN/$name.log" 2>&1
}

_core_version() { "$1/bin/python" -c 'from ansible.release import __version__; print(__version__)'; }

_tests_begun() { cat "$RUN"/{newest,oldest,2.*}.log 2>/dev/null | grep -c '^Running sanity test'; }

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

# _sanity_with HOME NAME...: side by side. What fails is added to the caller's "failed".
_sanity_with() {
    local name home=$1
    local -A environments versions jobs
    shift
    for name in "$@"; do
        environments[$name]=$(_core_environment "$name") || exit
        versions[$name]=$(_core_version "${environments[$name]}")
        _seed_pip "$home" "${environments[$name]}"
        with_code "$name" _sanity "$name" "${environments[$name]}" "$home" &
        jobs[$name]=$!
    done
    # What runs in the background does not hear an interrupt.
    trap 'kill "${jobs[@]}" 2>/dev/null || :' EXIT
    say "   ansible-test sanity with ansible-core ${versions[*]}"
    [[ ${versions[oldest]-2.16.} == 2.16.* ]] || say "   NOTE: not 2.16, which needs Python 3.10, 3.11 or 3.12; none is here"
    _show_progress "${jobs[@]}"
    for name in "$@"; do
        if code_of "$name" "${jobs[$name]}"; then
            say "   ok      sanity with ansible-core ${versions[$name]}: $(grep -c '^Running sanity test' "$RUN/$name.log") tests"
        else
            say "   FAILED  sanity with ansible-core ${versions[$name]} (whole output: $RUN/$name.log)"
            grep -E '^(ERROR|FATAL|[a-z0-9-]+$)' "$RUN/$name.log" >&2 || tail -n 40 "$RUN/$name.log" >&2
            failed+=("${versions[$name]}")
        fi
    done
}

# A full run has the newest and the oldest ansible-core, a deep run every minor version between them, too.
stage_sanity() {
    local home place
    local -a failed=() names=(newest)
    home=$(_test_home)
    [ "$BELT" = quick ] || names+=(oldest)
    [ "$BELT" != deep ] || names+=("${_CORES_BETWEEN[@]}")
    for ((place = 0; place < ${#names[@]}; place += 2)); do
        _sanity_with "$home" "${names[@]:place:2}"
    done
    [ ${#failed[@]} -eq 0 ] || stop_with "sanity failed with ansible-core ${failed[*]}"
}
