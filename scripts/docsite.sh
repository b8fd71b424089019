#!/usr/bin/env bash
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Builds the documentation site: the guides, and one page for each module, plugin, role and playbook; and the translated
# guides in all complete languages (docs/locales), or with `english` in none. A warning is an error.
# Usage: scripts/docsite.sh DIRECTORY [english]; then open DIRECTORY/html/index.html.
set -euo pipefail
export LC_ALL=C.UTF-8

CHECKOUT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
readonly CHECKOUT
# shellcheck source=scripts/lib/host.sh
. "$CHECKOUT/scripts/lib/host.sh"
# shellcheck source=scripts/lib/environments.sh
. "$CHECKOUT/scripts/lib/environments.sh"

[[ $# -eq 1 || ($# -eq 2 && $2 = english) ]] || stop_with "usage: scripts/docsite.sh DIRECTORY [english]" "the pages are DIRECTORY/html"
mkdir -p "$1"
directory=$(cd "$1" && pwd -P)
environment=$(docsite_environment)
export PATH="$environment/bin:$PATH"
ANSIBLE_COLLECTIONS_PATH=$(python "$CHECKOUT/scripts/lib/collection_path.py")
export ANSIBLE_COLLECTIONS_PATH

languages=
[ "${2-}" = english ] || languages=$(python "$CHECKOUT/scripts/languages.py" list)

# antsibull-docs refuses a directory that others can write to.
(umask 077 && mkdir -p "$directory/rst")
antsibull-docs --config-file "$CHECKOUT/scripts/docsite/antsibull-docs.cfg" collection --cleanup everything \
    --use-current --squash-hierarchy --dest-dir "$directory/rst" polyvirt.core
python "$CHECKOUT/scripts/languages.py" readme "$directory/rst"
python "$CHECKOUT/scripts/docsite/start_page.py" "$directory/rst"
sphinx-build --builder html --define "built_languages=${languages// /,}" --conf-dir "$CHECKOUT/scripts/docsite" \
    --doctree-dir "$directory/doctrees" --jobs auto --fail-on-warning --keep-going --quiet \
    "$directory/rst" "$directory/html"
# shellcheck disable=SC2086 # words
[ -z "$languages" ] || python "$CHECKOUT/scripts/languages.py" build --directory "$directory" $languages
