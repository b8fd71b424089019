# shellcheck shell=bash
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Sourced by scripts/test.sh: the stages that run the collection.

# The number of pytest workers. Tests wait for guests, daemons, servers and clocks, which leaves CPUs idle: with one worker
# for each CPU, the unit tests use 57 % of both.
WORKERS=$(($(nproc) + 2))
readonly WORKERS

# selection: prints pytest's options for the tests of this run, one in a line; without an option, it runs those of a full run.
selection() {
    [ "$BELT" = full ] || echo "--$BELT"
    [ -z "$SHARD" ] || echo "--shard=$SHARD"
}

# _pytest ARGUMENT...
_pytest() {
    local -a selected
    mapfile -t selected < <(selection)
    pytest "${selected[@]}" "$@"
}

# in_memory COMMAND...: runs a program whose temporary files are in memory and end with it: the tests create thousands of
# them, and a disk takes ten times as long to create and delete them. Not if that would hide this checkout or the cache.
in_memory() {
    local folder=${TMPDIR:-/tmp}
    if [[ $CHECKOUT/ == "$folder"/* || $POLYVIRT_CACHE/ == "$folder"/* ]]; then
        "$@"
    else
        unshare --mount bash -c "mount -t tmpfs -o mode=1777 tmpfs \"\$0\" && exec \"\$@\"" "$folder" "$@"
    fi
}

# An idle worker takes tests from a busy one: plays of whole roles take seconds, most tests milliseconds.
stage_unit() {
    local -a selected
    mapfile -t selected < <(selection)
    unpack_cloud_init
    # Tests of other versions of ansible-core are not in a quick run.
    [ "$BELT" = quick ] || POLYVIRT_TEST_CORES=$(other_cores)
    export POLYVIRT_TEST_CORES
    in_memory pytest "${selected[@]}" -n "$WORKERS" --dist worksteal --durations 25 tests/unit
    [[ ${SHARD:-1/1} != 1/* ]] || _mutations
}

# Those that are written down; a quick run tries those whose code, test or list has changed.
_mutations() {
    local -a which=()
    [ "$BELT" != quick ] || which=(--changed)
    say "   mutations by hand"
    # The newest ansible-core is enough.
    POLYVIRT_TEST_CORES="" in_memory python tests/mutations/run.py hand "${which[@]}"
}

# nothing_left COMMAND...: runs it, and checks that no new file, lease, network, VM or process remains on the host.
nothing_left() {
    local before status=0
    before=$(mktemp "$RUN/before-XXXXXX")
    python scripts/lib/host_state.py >"$before"
    "$@" || status=$?
    python scripts/lib/host_state.py "$before" || status=1
    return $status
}

# _build_guests: those of arm64 have no tests in a quick run.
_build_guests() {
    tests/guests/build.sh >/dev/null
    [ "$BELT" = quick ] || tests/guests/build.sh arm64 >/dev/null
}

# prepare_platforms: prepares what worlds cannot download, because they have no network. Doubles replace missing
# platforms.
prepare_platforms() {
    (install_packages vagrant vagrant-libvirt) || say "   no real Vagrant: a double is tested instead"
    _build_guests
    tests/platforms/vagrant/build.sh >/dev/null || say "   no box for Vagrant: a double is tested instead"
    tests/platforms/virtualbox/build.sh >/dev/null || say "   no real VirtualBox: a double is tested instead"
}

# prepare_deep: what only deep runs need.
prepare_deep() {
    prepare_rulebook
    tests/guests/debian.sh >/dev/null
}

# Every platform: libvirt's test driver, real guests, VirtualBox, Vagrant, and Proxmox VE simulated. Workers, each in
# its own world, share the tests: an idle worker takes tests from a busy one.
stage_suite() {
    prepare_platforms
    [ "$BELT" != deep ] || prepare_deep
    nothing_left _pytest -v --durations 25 --dist worksteal \
        --tx "$WORKERS*popen//python=$CHECKOUT/tests/suite/world $(command -v python)" \
        tests/suite tests/platforms tests/peers/test_readme.py
    show_reruns
}

# Tests of libvirt that run with the libvirt and QEMU of another Debian release, too: in a full run what depends on their
# versions, in a deep run also what the suite shows with those of this host.
readonly _ROOT_TESTS=(tests/suite/test_power.py tests/suite/test_snapshots.py tests/suite/test_machinery.py
    tests/suite/test_uefi.py
    tests/suite/test_networks.py tests/suite/test_pools.py tests/suite/test_port_forwards.py
    tests/suite/test_generated_hosts.py tests/suite/test_killed_hosts.py)
readonly _ROOT_TESTS_OF_DEEP=(tests/suite/test_options.py tests/suite/test_refusals.py tests/suite/test_clones.py
    tests/suite/test_arm64.py)
readonly _ROOT_SELECTION="libvirt_qemu or test_machinery or test_uefi or (test_arm64 and not own_loader) or test_networks or test_pools or test_port_forwards or _hosts"

# The conformance suite with the libvirt, QEMU and Python of Debian 13, and a bare Debian, which the role libvirt_host
# prepares, and on which the first steps are typed; the stage fails if their roots cannot be created. A deep run also has the
# commands of the workflows for CI, and Debian testing, which shows what is coming:
# its failures are only reported.
stage_roots() {
    _build_guests
    prepare_root debian13 >/dev/null
    nothing_left _suite_in_root debian13
    nothing_left _on_bare bare-debian13
    [ "$BELT" = deep ] || return 0
    nothing_left in_root_world bare-debian13 pytest -p no:xdist tests/install/test_ci.py -k 'page or test_proxmox'
    unpack_cloud_init
    if ! { _suite_in_root debian-testing && in_root_world debian-testing pytest -n "$WORKERS" --dist worksteal tests/unit; }; then
        say "   FINDING: tests fail with Debian testing; see above. They do not count as failures of this run"
    fi
}

# _on_bare ROOT: both at once, each in its own world: each waits for downloads and for a guest most of the time.
_on_bare() {
    local host status=0
    # Not by each of them at the same time.
    prepare_root "$1" >/dev/null || return
    with_code bare_host in_root_world "$1" pytest -p no:xdist tests/install/test_bare_host.py >"$RUN/bare_host.log" 2>&1 &
    host=$!
    in_root_world "$1" pytest -p no:xdist tests/install/test_first_steps.py || status=1
    code_of bare_host "$host" || status=1
    cat "$RUN/bare_host.log"
    return $status
}

_suite_in_root() {
    local folder world=$CHECKOUT/tests/suite/world
    local -a files=("${_ROOT_TESTS[@]}")
    [ "$BELT" != deep ] || files+=("${_ROOT_TESTS_OF_DEEP[@]}")
    folder=$(prepare_root "$1") || return
    _pytest --dist worksteal \
        --tx "$WORKERS*popen//python=env PATH=$folder/python/bin:$_ROOT_PATH $world --root $folder/tree python" \
        "${files[@]}" -k "$_ROOT_SELECTION"
}

# All unit tests and the whole suite, but what is deep, with the oldest ansible-core and with the next one. Stages before
# it have the newest release.
stage_cores() {
    local environment
    prepare_platforms
    unpack_cloud_init
    environment=$(suite_environment oldest "$(find_python 3.11 3.12 3.10)")
    _with_core "$environment"
    environment=$(suite_environment next "$(find_python 3.14 3.13)")
    _with_core "$environment"
}

# _with_core ENVIRONMENT: the one test that is left out runs molecule, which is not in the environment.
_with_core() {
    local -a with=(env "PATH=$1/bin:$PATH" "ANSIBLE_PYTHON_INTERPRETER=$1/bin/python")
    say "   ansible-core $(_core_version "$1")"
    in_memory "${with[@]}" pytest -n "$WORKERS" --dist worksteal tests/unit \
        --deselect tests/unit/playbooks/test_molecule.py::test_guide_explains_all_files_of_molecule_init
    nothing_left "${with[@]}" pytest --dist worksteal \
        --tx "$WORKERS*popen//python=$CHECKOUT/tests/suite/world $1/bin/python" tests/suite tests/platforms
}

# Compares other collections with this one, with a table at the end (tests/peers/README.md). The two sides run one after
# the other: their behaviour is compared, not their time, and a world contains everything that they need.
stage_peers() {
    POLYVIRT_PEERS=$(peers_environment)
    export POLYVIRT_PEERS
    nothing_left tests/suite/world pytest -p no:xdist --deep tests/peers
}

# show_reruns: shows the tests of all runs on this machine that ran again because a real platform itself failed.
show_reruns() {
    local ledger=$POLYVIRT_CACHE/reruns.jsonl
    [ ! -s "$ledger" ] || { say "   runs that were repeated:"; cat "$ledger" >&2; }
}

# make_network NAME SUBNET [ELEMENT]: a network of libvirt for one stage, if it does not exist: a lease outlives its VM, but
# not its network. ELEMENT is XML that is added.
make_network() {
    local name=$1 subnet=$2 element=${3:-}
    _host_virsh net-list --name | grep -x "$name" >/dev/null && return
    virsh --quiet --connect "$_SYSTEM_URI" net-create /dev/stdin <<END
<network>
  <name>$name</name>
  $element
  <bridge name='${name:0:15}'/>
  <ip address='$subnet.1' netmask='255.255.255.0'>
    <dhcp><range start='$subnet.2' end='$subnet.254'/></dhcp>
  </ip>
</network>
END
}

readonly _ROLES_NETWORK=polyvirt-roles
# What they show has unit tests that play the same roles on the same doubles, or another scenario.
readonly _SCENARIOS_OF_DEEP=" from_vagrant hyperv_host two_vms vmm_host vmm_network wsl_host "

# Runs the scenarios of this belt. Their network, with its leases, is removed before the comparison.
stage_roles() {
    ensure_libvirt
    nothing_left _every_scenario
}

# Runs one scenario more than CPUs in parallel: a booting guest uses one core, and Ansible waits for it.
_every_scenario() {
    local file one status=0
    local -A scenarios=()
    make_network $_ROLES_NETWORK 192.168.141
    for file in extensions/molecule/*/molecule.yml; do
        while [ "$(jobs -rp | wc -l)" -gt "$(nproc)" ]; do sleep 1; done
        one=$(basename "${file%/molecule.yml}")
        [[ $BELT = deep || $_SCENARIOS_OF_DEEP != *" $one "* ]] || continue
        with_code "scenario-$one" _scenario "$one" &
        scenarios[$one]=$!
    done
    for one in "${!scenarios[@]}"; do code_of "scenario-$one" "${scenarios[$one]}" || status=1; done
    _host_virsh net-destroy $_ROLES_NETWORK
    return $status
}

_has_real_vagrant() { (install_packages vagrant vagrant-libvirt) && tests/platforms/vagrant/build.sh >/dev/null; }

# _scenario NAME: runs a scenario, and shows its output if it fails.
_scenario() {
    local began=$SECONDS log=$RUN/molecule-$1.log
    if [ "$1" = from_vagrant ] && ! _has_real_vagrant; then
        say "   scenario $1 does not run: no real Vagrant with libvirt on this host"
        return
    fi
    say "   scenario $1 …"
    POLYVIRT_TEST_NETWORK=$_ROLES_NETWORK MOLECULE_EPHEMERAL_DIRECTORY=$RUN/molecule/$1 \
        VAGRANT_HOME=$RUN/molecule/vagrant-home molecule test -s "$1" >"$log" 2>&1 || { cat "$log"; say "   scenario $1 failed"; return 1; }
    say "   scenario $1 passed ($((SECONDS - began)) s)"
}

# Checks the promise of the README that the second run changes nothing.
stage_demo() {
    local log=$RUN/demo.log
    # The VM does not exist at first; the image may remain from an earlier run.
    scripts/demo.sh remove
    scripts/demo.sh
    say "   second run: nothing may change now"
    scripts/demo.sh 2>&1 | tee "$log"
    grep -q 'changed=0' "$log" || stop_with "the second run does not report changed=0"
    ! grep -q 'changed=[1-9]' "$log" || stop_with "the second run changed something"
    scripts/demo.sh remove
}

readonly _INSTALL_NETWORK=polyvirt-install

# Installs Debian with its own installer (tests/install). 20 minutes with two cores and without KVM.
stage_install() {
    ensure_libvirt
    nothing_left _install_debian
}

_install_debian() {
    local status=0
    # Unlike the network of the scenarios, it leads to the package mirror.
    make_network $_INSTALL_NETWORK 192.168.142 "<forward mode='nat'/>"
    POLYVIRT_TEST_NETWORK=$_INSTALL_NETWORK _pytest -s -v -p no:xdist tests/install || status=1
    _host_virsh net-destroy $_INSTALL_NETWORK
    return $status
}

# Generated mutants of the whole product. Those that no test detects are reported; they do not fail the run.
stage_mutants() { python tests/mutations/run.py sample 300; }
