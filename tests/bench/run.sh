#!/usr/bin/env bash
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Compares tasks of this collection that have nothing to do with those of other collections, and counts what a creation
# starts. Usage: tests/bench/run.sh [ping] [cluster-20] [cluster-200] [20] [100] [passwords] [creation] [wrong]
# Default: all of them. README.md describes how to read the output.

set -euo pipefail
export LC_ALL=C.UTF-8

CHECKOUT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
readonly CHECKOUT

# shellcheck source=scripts/lib/host.sh
. "$CHECKOUT/scripts/lib/host.sh"
# shellcheck source=scripts/lib/environments.sh
. "$CHECKOUT/scripts/lib/environments.sh"

packages=(libvirt-clients python3 python3-venv python3-libvirt python3-lxml)
require_root_or_say "${packages[@]}"
install_packages "${packages[@]}"
folder=$(peers_environment)
# What the benches share with the tests imports the collection.
collections=$(PYTHONPATH='' "$folder/bin/python" "$CHECKOUT/scripts/lib/collection_path.py")
export POLYVIRT_CACHE PYTHONPATH=$CHECKOUT/scripts/lib:$CHECKOUT/tests:$CHECKOUT/extensions:$collections
keep_bytecode
exec "$folder/bin/python" "$CHECKOUT/tests/bench/bench.py" "$@"
