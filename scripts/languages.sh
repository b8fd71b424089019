#!/usr/bin/env bash
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Translations of the documentation, in docs/locales. Usage: scripts/languages.sh COMMAND [ARGUMENT...]; --help lists the
# commands. CONTRIBUTING.md describes how to correct or add a translation.
set -euo pipefail
export LC_ALL=C.UTF-8

CHECKOUT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
readonly CHECKOUT
# shellcheck source=scripts/lib/host.sh
. "$CHECKOUT/scripts/lib/host.sh"
# shellcheck source=scripts/lib/environments.sh
. "$CHECKOUT/scripts/lib/environments.sh"

environment=$(docsite_environment)
keep_bytecode
exec "$environment/bin/python" "$CHECKOUT/scripts/languages.py" "$@"
