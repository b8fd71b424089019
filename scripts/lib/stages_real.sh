# shellcheck shell=bash
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Sourced by scripts/test.sh: the stages that run the collection.

stage_unit() { pytest -n 2 tests/unit; }

# Real guests and libvirt's own test driver, through ansible-playbook.
stage_conformance() {
    ensure_libvirt
    local rest=$RUN/conformance.log status=0
    # Each part has its own namespace; two processes use both cores.
    pytest tests/conformance --part rest >"$rest" 2>&1 &
    pytest tests/conformance --part guests || status=$?
    # The other part still runs; this one takes the core that is free now.
    pytest tests/virtualbox || status=$?
    wait $! || status=$?
    tail -n 60 "$rest"
    return $status
}

# Every scenario that is there.
stage_roles() {
    local scenario
    ensure_libvirt
    cd extensions || return
    for scenario in molecule/*/molecule.yml; do
        scenario=${scenario%/molecule.yml}
        molecule test -s "${scenario##*/}"
    done
}

# What the README promises: the second run finds nothing to do.
stage_demo() {
    local log=$RUN/demo.log
    # From a machine that is not there to one that is; the image may be kept from an earlier run.
    scripts/demo.sh remove
    scripts/demo.sh
    say "   again: now nothing may change"
    scripts/demo.sh 2>&1 | tee "$log"
    grep -q 'changed=0' "$log" || stop_with "the second run does not say changed=0"
    ! grep -q 'changed=[1-9]' "$log" || stop_with "the second run changed something"
    scripts/demo.sh remove
}
