# shellcheck shell=bash
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Sourced by scripts/demo.sh: finds the reason why a run of ansible-playbook failed.

# failure_reason LOG: prints the message of the last task that failed; if there is none, the last lines of the log.
failure_reason() {
    local reason
    reason=$(grep -E '^(fatal|failed): ' "$1" | tail -n 1 | grep -oE '"msg": "([^"\\]|\\.)*"' | head -n 1) || :
    if [ -z "$reason" ]; then
        tail -n 5 "$1"
        return
    fi
    reason=${reason#\"msg\": \"}
    reason=${reason%\"}
    printf '%b\n' "${reason//\\\"/\"}"
}
