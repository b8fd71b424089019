# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role libvirt_host passes all options of networks and pools on, and rejects others before the first change."""

from __future__ import annotations

import json
import os
import re
import subprocess

import pytest
import yaml
from ansible import template as ansible_template
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.options import CONNECTION
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.libvirt import network_options, pool_options
from jinja2 import Environment

from collection_path import CHECKOUT

ROLE = CHECKOUT / "roles" / "libvirt_host"


def _tasks(name):
    return yaml.safe_load((ROLE / "tasks" / f"{name}.yml").read_text(encoding="utf-8"))


def _variables():
    return yaml.safe_load((ROLE / "vars/main.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("kind", "options"), [("network", network_options.OPTIONS), ("pool", pool_options.OPTIONS)], ids=["network", "pool"]
)
def test_all_options_are_passed_on(kind, options):
    known, module = _variables()[f"__libvirt_host_{kind}_options"], f"polyvirt.core.virsh_{kind}"
    (passed,) = [task[module] for task in _tasks("networks") if module in task]
    assert set(known) == set(passed) == set(options) - set(CONNECTION)
    assert all(f"item.{name}" in text for name, text in passed.items())


@pytest.mark.parametrize("is_running", [True, False])
@pytest.mark.parametrize("is_check", [True, False])
def test_networks_are_created_or_only_listed(is_running, is_check):
    """A real run creates them, or fails; check mode lists them if libvirt, which they need, does not run yet."""
    conditions = {task["name"]: task.get("when") for task in _tasks("present")}
    variables = {
        "libvirt_host_networks": [{"name": "lab"}],
        "libvirt_host_pools": [],
        "ansible_check_mode": is_check,
        "__libvirt_host_found": {"answers": ["yes"] if is_running else []},
    }
    names = ("Create networks and pools", "Show what check mode cannot see")
    found = tuple(all(Environment().compile_expression(one)(**variables) for one in conditions[name]) for name in names)
    is_listed = is_check and not is_running
    assert found == (not is_listed, is_listed)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"libvirt_host_networks": [{"name": "lab", "adresses": []}]},
            "lab: adresses cannot be set here. Use the options of virsh_network",
        ),
        ({"libvirt_host_pools": [{"path": "/srv"}]}, "libvirt_host_pools[0]: an entry needs a name."),
        ({"libvirt_host_pools": [{"name": None}]}, "libvirt_host_pools[0]: an entry needs a name."),
        ({"libvirt_host_networks": [{"name": "a"}, {"name": "a"}]}, "libvirt_host_networks[1]: a occurs twice."),
        ({"libvirt_host_pools": [{"name": "fast", "state": "absent"}]}, "fast: the role creates it; delete it with"),
        ({"libvirt_host_network": []}, "libvirt_host_networks"),
    ],
)
def test_wrong_entries_are_rejected_before_the_first_change(ansible_playbook, tmp_path, variables, message):
    role = {"name": "polyvirt.core.libvirt_host", "tasks_from": "validate"}
    tasks = [{"ansible.builtin.include_role": role, "vars": variables}]
    playbook = tmp_path / "play.json"
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    playbook.write_text(json.dumps([play]), encoding="utf-8")
    code, output = ansible_playbook("-i", "localhost,", str(playbook))
    assert code != 0
    assert message in " ".join(output.split())


# What read.sh prints --------------------------------------------------------------------------------------------------

PROGRAMS = {
    "apt-get": "",
    "dpkg": "",
    "dpkg-query": "printf '%s\\n' 'installed bash, ' 'config-files nano, ' 'not-installed vim, '"
    " 'installed qemu-system-x86, qemu-kvm, qemu-system-i386 (= 1:9)'",
    "systemctl": "case $2,$3 in is-active,stopped.socket) exit 3;; esac",
    "getent": 'case $1,$2 in group,libvirt) echo "libvirt:x:104:bob,alice";; passwd,alice) echo a;; *) exit 2;; esac',
    # iptables -S after the last network of libvirt 11.3 was stopped, and with a chain of somebody else.
    "iptables": "[ $3 = filter ] && printf '%s\\n' '-P INPUT ACCEPT' '-N LIBVIRT_FWI' '-N LIBVIRT_INP' '-N MINE'"
    " '-A INPUT -j LIBVIRT_INP' '-A INPUT -p tcp -j MINE' '-A LIBVIRT_INP -j ACCEPT'"
    " '-A FORWARD -m comment --comment \"a b\" -j LIBVIRT_FWI'",
    "ip6tables": "exit 3",
    # As virsh -q of libvirt 11.3 prints it: without the ends of lines of echo, and pools with blanks.
    "virsh": "printf '%s\\n' '/vm/web 1' /networks/lab default /active/lab '/pools/fast   '; exit ${VIRSH:-0}",
}


@pytest.fixture(name="read")
def _read(tmp_path):
    def read(**variables):
        """{key: values} of what read.sh prints with these variables of the environment."""
        for name, text in PROGRAMS.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
            (tmp_path / name).chmod(0o755)
        around = {"PATH": f"{tmp_path}:{os.environ['PATH']}", **variables}
        done = subprocess.run(["sh", ROLE / "files/read.sh"], env=around, capture_output=True, text=True, check=True)
        found = {key: [] for key in _variables()["__libvirt_host_keys"]}
        for line in done.stdout.splitlines():
            key, value = line.split(" ", 1)
            found[key].append(value)
        return found

    return read


def test_host_is_read(read, tmp_path):
    (tmp_path / "a.deb").touch()
    found = read(
        LIBVIRT_HOST_FOLDER=str(tmp_path),
        LIBVIRT_HOST_USERS="alice nobody-here",
        LIBVIRT_HOST_UNITS="libvirtd.service stopped.socket",
    )
    assert (found["manager"], found["installed"]) == (["apt"], ["bash", "qemu-system-x86"])
    assert found["provided"] == ["qemu-kvm", "qemu-system-i386"]
    assert found["unit"] == ["libvirtd.service"]
    assert (found["member"], found["unknown"]) == (["bob", "alice"], ["nobody-here"])
    assert (found["answers"], found["vm"], found["networks"]) == (["yes"], ["web 1"], ["lab", "default"])
    assert (found["active"], found["pools"]) == (["lab"], ["fast"])
    assert str(tmp_path / "a.deb") in found["file"]


def test_libvirt_that_fails_in_the_middle_is_no_host_without_vms(read):
    assert read(VIRSH="1")["answers"] == []


def test_only_rules_of_libvirt_are_removed(read):
    start = "iptables -w -t filter"
    assert read()["rule"] == [
        f"{start} -D INPUT -j LIBVIRT_INP",
        f'{start} -D FORWARD -m comment --comment "a b" -j LIBVIRT_FWI',
        *(f"{start} {option} {chain}" for option in ("-F", "-X") for chain in ("LIBVIRT_FWI", "LIBVIRT_INP")),
    ]


#: What a package manager prints: libvirt-daemon, a dependency, needs the driver, and web-vm needs one of the emulators.
PROGRAM = """case $3 in autoremove) printf 'Remv %s [1]\\n' libvirt0 kvm; exit;; esac
case "$*" in *driver*) printf 'FORM\\n' libvirt-daemon;; esac
case "$*" in *emulator*kvm*) printf 'FORM\\n' web-vm;; esac"""


#: Its lines. dnf removes what is only a dependency of packages that are removed.
FORMS = {"apt": "Purg %s [1]", "dnf": r"qemu-common Dependency\n%s weak-dependency", "pacman": "%s"}


def _simulated(tmp_path, manager, text):
    """What absent.yml prints about four packages, with a package manager that only simulates."""
    program = "apt-get" if manager == "apt" else manager
    (tmp_path / program).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    (tmp_path / program).chmod(0o755)
    (task,) = [one for one in _tasks("absent") if one.get("register") == "__libvirt_host_simulated"]
    commands = _variables()["__libvirt_host_managers"][manager]
    script = Environment().from_string(task["ansible.builtin.command"]["argv"][2])
    names = ["driver", "emulator", "kvm", "xorriso"]
    around = {"names": " ".join(names), "recorded": "\n".join(names), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = ["sh", "-c", script.render(__libvirt_host_manager=commands)]
    done = subprocess.run(command, env=around, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines(), done.stderr


@pytest.mark.parametrize("manager", FORMS)
def test_only_packages_that_take_no_others_with_them_are_removed(tmp_path, manager):
    stays = ["stays driver (needed by libvirt-daemon)", "stays kvm (needed by web-vm)"]
    dependencies = ["stays libvirt0"] if manager == "apt" else []
    found = _simulated(tmp_path, manager, PROGRAM.replace("FORM", FORMS[manager]))
    assert found == (0, [*stays, "removed emulator", "removed xorriso", *dependencies], "")


def test_removal_that_cannot_be_simulated_is_an_error(tmp_path):
    assert _simulated(tmp_path, "apt", "echo protected >&2; exit 100") == (100, [], "protected\n")


def test_no_directory_is_deleted():
    """Nobody knows what a directory contains: disks of VMs, volumes of pools, mounted file systems."""
    texts = [path.read_text(encoding="utf-8") for path in sorted((ROLE / "tasks").glob("*.yml"))]
    assert [word for text in texts for word in re.findall(r"rm\b[^\n]* -\w*r|-delete\b|rmtree", text)] == []
    deleted = [task for task in _tasks("absent") if task.get("ansible.builtin.file", {}).get("state") == "absent"]
    assert [task["ansible.builtin.file"]["path"] for task in deleted] == ["{{ __libvirt_host_nested_file }}"]


# What the role decides ------------------------------------------------------------------------------------------------

BARE = {"uid": ["0"], "machine": ["x86_64"], "manager": ["apt"], "installed": ["bash"], "forwarding": ["0", "0"]}
PACKAGES = [
    *("qemu-system-x86", "ovmf", "qemu-utils", "libvirt-daemon-system", "libvirt-clients", "dnsmasq-base", "iptables"),
    *("libvirt-daemon-driver-qemu", "xorriso"),
]
RECORD = {
    **{"format": 2, "packages": ["libvirt-clients"], "units": [], "started": True},
    **{"users": ["alice"], "nested": False, "networks": ["lab"], "pools": [], "stopped": False},
    **{"forwarding": ["0", "0"]},
}
READY = {
    **BARE,
    **{"installed": ["bash", *PACKAGES], "answers": ["yes"], "systemd": ["yes"], "unit": ["libvirtd.service"]},
    **{"networks": ["default"], "folder": ["/etc/libvirt"]},
}
#: A host of arm64 with the packages of READY, which has those of x86_64.
ARM = {**READY, "machine": ["aarch64"]}
NESTED = {"libvirt_host_nested": True}
REQUIRED = {"libvirt_host_require_kvm": True}
USERS = {"libvirt_host_users": ["al"]}


def _recorded(**changes):
    return {"record": [json.dumps({**RECORD, **changes})]}


def _removal(**found):
    return {**READY, **_recorded(), "networks": ["default", "lab"], **found}


ABSENT = {"libvirt_host_state": "absent"}
APPROVED = {"polyvirt_approved_plans": ["plan-x"]}
BROKEN = {"__libvirt_host_simulated": {"rc": 100, "stderr": "E: dpkg was interrupted"}}
SIMULATED = {"__libvirt_host_simulated": {"stdout": "stays a (needed by b c)\nremoved ovmf\nstays libvirt0"}}
#: Records of format 1 have all new packages after an installation, and those before an interrupted one.
OLD = {"format": 1, "packages_before": [], "packages": ["libvirt0", "ovmf", "htop"]}
INTERRUPTED = {"format": 1, "packages_before": ["bash", "iptables"], "packages": []}
#: (variable without its prefix, part of its value or the value, what was read, other variables).
DECISIONS = [
    ("is_changed", False, READY, {}),
    ("is_changed", True, READY, USERS),
    ("missing", ["qemu-system-x86"], {**READY, "installed": PACKAGES[1:]}, {}),
    ("missing", [], {**READY, "installed": PACKAGES[1:], "provided": PACKAGES[:1]}, {}),
    ("stopped", ["virtlogd", "libvirtd"], BARE, {}),
    ("stopped", ["libvirtd.service"], {**READY, "unit": []}, {}),
    ("is_nested_new", True, {**READY, "nested": ["n"]}, {"libvirt_host_nested": True}),
    ("is_nested_new", False, {**READY, "nested": ["y"]}, {"libvirt_host_nested": True}),
    ("is_nested_new", False, {**READY, "nested": ["n"], "stored": ["1"]}, {"libvirt_host_nested": True}),
    ("is_nested_new", True, {**READY, "nested": ["y"], "stored": ["0"]}, {"libvirt_host_nested": True}),
    ("planned.packages", PACKAGES, BARE, {}),
    ("planned.packages", [], READY, USERS),
    ("planned.packages", ["libvirt-clients", "swtpm"], _removal(), {"libvirt_host_packages": ["swtpm"]}),
    ("record.packages", ["ovmf"], _removal(**_recorded(**OLD)), {}),
    ("record.packages", ["ovmf", "htop"], _removal(**_recorded(**OLD)), {"libvirt_host_packages": ["htop"]}),
    ("record.packages", [one for one in PACKAGES if one != "iptables"], _removal(**_recorded(**INTERRUPTED)), {}),
    ("planned.format == 2", True, _removal(**_recorded(**OLD)), {}),
    ("planned.users", ["al"], READY, USERS),
    ("planned.users", [], {**READY, "member": ["al"]}, USERS),
    ("owned_networks", ["lab"], READY, {"libvirt_host_networks": [{"name": "default"}, {"name": "lab"}]}),
    ("owned_networks", ["lab"], {**READY, **_recorded()}, {"libvirt_host_networks": [{"name": "lab"}]}),
    ("owned_networks", [], {**READY, **_recorded()}, {}),
    ("owned_networks", ["lab"], {**BARE, **_recorded()}, {}),
    ("owned_pools", ["fast"], {**READY, "pools": ["vg"]}, {"libvirt_host_pools": [{"name": "vg"}, {"name": "fast"}]}),
    ("refusal", "", READY, {}),
    ("refusal", "Only root can prepare a host.", {**BARE, "uid": ["1000"]}, {}),
    ("refusal", "none of the package managers", {**BARE, "manager": []}, {}),
    ("refusal", "cannot be read", {**READY, "record": ["{}"]}, {}),
    ("refusal", "this host has no user bob", {**READY, "unknown": ["bob"]}, {}),
    ("refusal", "the subnets of a (x) and b (y) overlap.", {**READY, "overlap": ["a (x) and b (y)"]}, {}),
    ("refusal", "", {**READY, "overlap": ["a (x) and b (y)"]}, ABSENT),
    ("refusal", "does not know a package nope that", {**READY, "unavailable": ["nope"]}, {"ansible_check_mode": True}),
    ("refusal", "", {**READY, "unavailable": ["nope"]}, {}),
    ("refusal", "/srv has no package files", BARE, {"libvirt_host_package_folder": "/srv"}),
    ("refusal", "", {**BARE, "file": ["/srv/a.deb"]}, {"libvirt_host_package_folder": "/srv"}),
    ("refusal", "KVM does not work: this host has no /dev/kvm.", READY, REQUIRED),
    ("refusal", "failed to set MSR", {**READY, "device": ["yes"], "kvm_problem": ["failed to set MSR"]}, REQUIRED),
    ("refusal", "", {**READY, "device": ["yes"], "kvm": ["yes"]}, REQUIRED),
    ("refusal", "Enable VT-x or AMD-V", READY, REQUIRED),
    ("refusal", "Start the host in EL2 with a kernel that has KVM", {**READY, "machine": ["aarch64"]}, REQUIRED),
    ("refusal", "libvirt_host_nested: the role supports this only on x86_64, and the host is aarch64.", ARM, NESTED),
    ("refusal", "", ARM, {}),
    ("refusal", "", READY, NESTED),
    ("refusal", "", {**ARM, "manager": ["pacman"]}, {}),
    ("missing", ["qemu-system-arm", "qemu-efi-aarch64", "ipxe-qemu"], ARM, {}),
    ("refusal", "cannot be approved", BARE, APPROVED),
    ("refusal", "", BARE, {**APPROVED, "ansible_check_mode": True}),
    ("refusal", "", READY, APPROVED),
    ("refusal", "cannot be approved", _removal(), {**ABSENT, **APPROVED}),
    ("refusal", "", READY, {**ABSENT, **APPROVED}),
    ("removal_refusal", "", _removal(), ABSENT),
    ("removal_refusal", "This host has VMs (a, b, c, d, e, ...)", _removal(vm=list("abcdef")), ABSENT),
    ("removal_refusal", "networks: other of this host", _removal(networks=["default", "lab", "other"]), ABSENT),
    ("removal_refusal", "pools: vg of this host", _removal(pools=["vg", "default"]), ABSENT),
    ("removal_refusal", "libvirt does not answer", _removal(answers=[], networks=[]), ABSENT),
    ("removal_refusal", "", _removal(answers=[], networks=[], **_recorded(stopped=True)), ABSENT),
    ("removal_refusal", "simulate the removal of libvirt-clients: E: dpkg was", _removal(), {**ABSENT, **BROKEN}),
    ("removable", ["ovmf"], _removal(), {**ABSENT, **SIMULATED}),
    ("stays", ["a (needed by b c)", "libvirt0"], _removal(), {**ABSENT, **SIMULATED}),
    ("own_packages", ["libvirt-clients"], _removal(), ABSENT),
    ("own_packages", [], _removal(installed=["bash"]), ABSENT),
    ("is_forwarding_reset", True, _removal(forwarding=["1", "0"]), ABSENT),
    ("is_forwarding_reset", False, _removal(), ABSENT),
    ("is_forwarding_reset", False, _removal(forwarding=["1", "0"], bridge=["br0"]), ABSENT),
    ("is_forwarding_reset", True, _removal(forwarding=["1", "0"], active=["default"]), ABSENT),
    ("is_forwarding_reset", False, _removal(forwarding=["1"], active=["default"], **_recorded(packages=[])), ABSENT),
    ("result.kvm", None, READY, {}),
    ("result.kvm", False, {**READY, "kvm_problem": ["it hangs"]}, {}),
    ("result.reboot_required", True, {**READY, "nested": ["n"]}, {"libvirt_host_nested": True}),
    ("result.reboot_required", False, {**READY, "nested": ["n"]}, {}),
    ("result.kept", ["/etc/libvirt"], READY, ABSENT),
    ("result.kept_packages", ["b", "a"], {**READY, "stays": ["b (needed by c)", "a"]}, ABSENT),
    ("result.removed_packages", ["c"], {**READY, "removed": ["c"]}, ABSENT),
]


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ("a 10.1.0.1/24\nb c 10.1.0.129/25\n", ["overlap a (10.1.0.0/24) and b c (10.1.0.128/25)"]),
        ("a 10.1.0.1/24\na 10.1.0.2/24\nb 10.2.0.1/24\n", []),
        ("a fd00::1/64\nb 10.1.0.1/24\nc fd00::2/48\n", ["overlap a (fd00::/64) and c (fd00::/48)"]),
        ("", []),
    ],
)
def test_overlapping_networks_of_one_list_are_found_by_the_host(addresses, expected):
    assert _lines_of("overlap", LIBVIRT_HOST_ADDRESSES=addresses) == expected


def test_addresses_of_the_list_are_lines_for_the_host():
    networks = [{"name": "a", "addresses": ["10.1.0.1/24", "fd00::1/64"]}, {"name": "b"}]
    networks.append({"name": "c", "addresses": None})
    found = _decided("addresses", READY, {"libvirt_host_networks": networks})
    assert [line for line in found.splitlines() if line] == ["a 10.1.0.1/24", "a fd00::1/64"]
    assert not _decided("addresses", READY, {"libvirt_host_networks": networks, **ABSENT})


def test_package_that_the_host_does_not_know_is_found(tmp_path):
    """The package manager of the host simulates its installation."""
    for name, text in {
        "dpkg-query": '[ "$2" = installed ]',
        "dpkg": "",
        "apt-get": '[ "$*" = "-s -qq install --no-install-recommends known" ]',
        "find": "echo x_Packages",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    given = {"LIBVIRT_HOST_PACKAGES": "installed known nope", "PATH": path}
    assert _lines_of("unavailable", **given) == ["unavailable nope"]
    (tmp_path / "find").write_text("#!/bin/sh\n", encoding="utf-8")  # no index of packages
    assert _lines_of("unavailable", **given) == []


def _lines_of(key, **environment):
    """The lines of read.sh with a key; the part of it that starts a VM is left out."""
    text = (ROLE / "files/read.sh").read_text(encoding="utf-8").partition("# A device is no proof")[0]
    done = subprocess.run(
        ["sh", "-c", text], capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )
    return [line for line in done.stdout.splitlines() if line.startswith(f"{key} ")]


#: Since ansible-core 2.19, text is a template only if it is marked as one.
_trusted = getattr(ansible_template, "trust_as_template", str)


def _decided(name, found, variables):
    """The value of a variable of the role, without a connection to a host."""
    loader = DataLoader()
    texts = [(ROLE / name).read_text(encoding="utf-8") for name in ("defaults/main.yml", "vars/main.yml")]
    known = {key: value for text in texts for key, value in loader.load(_trusted(text)).items()}
    known.update(loader.load(json.dumps({"__libvirt_host_simulated": {}, "ansible_check_mode": False, **variables})))
    known["__libvirt_host_found"] = {**known["__libvirt_host_keys"], **found}
    template = _trusted(f"{{{{ __libvirt_host_{name} }}}}")
    return Templar(loader, variables=known).template(template)


@pytest.mark.parametrize(("name", "expected", "found", "variables"), DECISIONS)
def test_decisions(name, expected, found, variables):
    value = _decided(name, found, variables)
    if isinstance(expected, list):
        assert sorted(value) == sorted(expected)
    elif isinstance(expected, str):
        assert expected in (value or "") and bool(value) == bool(expected)
    else:
        assert value is expected
