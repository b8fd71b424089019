# shellcheck shell=bash
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Sourced by scripts/test.sh: the stages that run the collection.

# _pytest ARGUMENT...: with two workers, and with what is left out every day in a deep run.
_pytest() {
    local -a more=()
    [ "$DEEP" = false ] || more+=(--deep)
    pytest "${more[@]}" "$@"
}

# What tests of single roles depend on, beside their own files: a role that runs in a guest uses no module of ours.
readonly _ROLES=(roles plugins/lookup 'playbooks/*agent*' 'playbooks/molecule_*' tests/conftest.py tests/requirements.txt
    tests/constraints.txt)

# Whoever is done takes over from another: plays of whole roles take seconds, most tests milliseconds. Plays of role agent
# are the slowest tenth of this stage; they run if the role has changed.
stage_unit() {
    local passed
    local -a without=()
    passed=$(note_of unit-agent "${_ROLES[@]}" 'tests/unit/roles/test_agent_*')
    if has_passed "$passed"; then
        say "   tests/unit/roles/test_agent_* passed for these roles before"
        without=('--ignore-glob=*/roles/test_agent_*')
    fi
    _pytest -n 2 --dist worksteal "${without[@]}" tests/unit
    note_passed "$passed"
}

# nothing_left COMMAND...: runs it, and checks that the host has no file, lease, network, VM or process more than before.
nothing_left() {
    local before status=0
    before=$(mktemp "$RUN/before-XXXXXX")
    python scripts/lib/host_state.py >"$before"
    "$@" || status=$?
    python scripts/lib/host_state.py "$before" || status=1
    return $status
}

# prepare_platforms: what worlds cannot download, for they have no network. What is not available is played by a double.
prepare_platforms() {
    (install_packages vagrant vagrant-libvirt) || say "   no real Vagrant: a double is tested in its place"
    tests/guests/build.sh >/dev/null
    tests/platforms/vagrant/build.sh >/dev/null || say "   no box for Vagrant: a double is tested in its place"
    tests/platforms/virtualbox/build.sh >/dev/null || say "   no real VirtualBox: a double is tested in its place"
}

# Every platform: libvirt's test driver, real guests, VirtualBox, Vagrant, and Proxmox VE simulated. Workers, each in a world
# of its own, share the tests: whoever is done takes over from another. Guests that boot and VirtualBox's daemons leave
# processors idle, so there is one worker more than processors.
stage_suite() {
    prepare_platforms
    nothing_left _pytest -v --durations 25 --dist worksteal \
        --tx "$(($(nproc) + 1))*popen//python=$CHECKOUT/tests/suite/world $(command -v python)" \
        tests/suite tests/platforms tests/peers/test_readme.py
    show_reruns
}

# Today's other collections beside this one, with a table at the end (tests/peers/README.md). Its two sides run one after the
# other: what is compared is what they do, and a world has everything that they need.
stage_peers() {
    POLYVIRT_PEERS=$(peers_environment)
    export POLYVIRT_PEERS
    nothing_left tests/suite/world pytest -p no:xdist --deep tests/peers
}

# show_reruns: tests that ran again because a real platform itself broke; in a deep run, those of all runs so far.
show_reruns() {
    local ledger=$POLYVIRT_CACHE/reruns.jsonl
    [ ! -s "$ledger" ] || [ "$DEEP" = false ] || { say "   runs that did not count:"; cat "$ledger" >&2; }
}

# The scenarios' machines have a network of their own: a lease outlives its machine, but not its network.
readonly _ROLES_NETWORK=polyvirt-roles
readonly _ROLES_SUBNET=192.168.141

_make_roles_network() {
    _host_virsh net-list --name | grep -x $_ROLES_NETWORK >/dev/null && return
    virsh --quiet --connect "$_SYSTEM_URI" net-create /dev/stdin <<END
<network>
  <name>$_ROLES_NETWORK</name>
  <bridge name='polyvirt-roles'/>
  <ip address='$_ROLES_SUBNET.1' netmask='255.255.255.0'>
    <dhcp><range start='$_ROLES_SUBNET.2' end='$_ROLES_SUBNET.254'/></dhcp>
  </ip>
</network>
END
}

# Every scenario that is there. Their network goes before the comparison, and its leases with it.
stage_roles() {
    ensure_libvirt
    nothing_left _every_scenario
}

# One more at a time than processors: a guest that boots uses one core, and Ansible waits for it.
_every_scenario() {
    local file one status=0
    local -a scenarios=()
    _make_roles_network
    for file in extensions/molecule/*/molecule.yml; do
        while [ "$(jobs -rp | wc -l)" -gt "$(nproc)" ]; do sleep 1; done
        _scenario_if_needed "$(basename "${file%/molecule.yml}")" &
        scenarios+=($!)
    done
    for one in "${scenarios[@]}"; do wait "$one" || status=1; done
    _host_virsh net-destroy $_ROLES_NETWORK
    return $status
}

# Two scenarios take minutes, because much runs inside an emulated guest. What they test is in one role alone, so they run
# if the roles have changed.
_scenario_if_needed() {
    local passed=
    case $1 in
        agent | guest_image)
            passed=$(note_of "scenario-$1" "${_ROLES[@]}" "extensions/molecule/$1" 'extensions/molecule/*.yml' tests/guests)
            ! has_passed "$passed" || { say "   scenario $1 passed for these roles before"; return; }
            ;;
    esac
    _scenario "$1" || return
    [ -z "$passed" ] || note_passed "$passed"
}

# _scenario NAME: what it prints is shown when it fails.
_scenario() {
    local began=$SECONDS log=$RUN/molecule-$1.log
    say "   scenario $1 …"
    POLYVIRT_TEST_NETWORK=$_ROLES_NETWORK MOLECULE_EPHEMERAL_DIRECTORY=$RUN/molecule/$1 \
        molecule test -s "$1" >"$log" 2>&1 || { cat "$log"; say "   scenario $1 failed"; return 1; }
    say "   scenario $1 passed ($((SECONDS - began)) s)"
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
