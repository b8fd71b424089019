# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps that prepare a host for libvirt, and those that remove what was added."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import NotFound, Refused, Unsupported
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.libvirt.host_plan import (
    LibvirtHost,
    needs_restart,
    plan_host,
)
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.libvirt.host_record import Record

NOTHING = {
    "state": "present",
    "packages": [],
    "package_folder": None,
    "users": [],
    "nested": None,
    "require_kvm": False,
    "networks": [],
    "pools": [],
}
BARE = LibvirtHost(manager="apt", installed=frozenset({"bash"}), required=("qemu", "libvirt"), units={})
READY = replace(BARE, installed=frozenset({"bash", "qemu", "libvirt"}), answers=True, networks=("default",))
RECORD = Record(packages=("libvirt", "qemu"), started=True, users=("alice",), forwarding=("0", "0"))
OURS = replace(READY, record=RECORD, members=frozenset({"alice", "bob"}), forwarding=("0", "0"))


def steps(host, **options):
    return [(step.key, step.before, step.after) for step in plan_host({**NOTHING, **options}, host)]


@pytest.mark.parametrize(
    ("host", "options", "expected"),
    [
        (BARE, {}, [("packages", [], ["qemu", "libvirt"]), ("daemons", "stopped", "running")]),
        (READY, {}, []),
        (replace(READY, installed=frozenset({"libvirt"}), provided=frozenset({"qemu"})), {}, []),
        (replace(READY, package_files=()), {"package_folder": "/srv"}, []),
        # A network cannot be recorded before libvirt answers: the packages may bring it.
        (BARE, {"networks": ["lab"]}, [("packages", [], ["qemu", "libvirt"]), ("daemons", "stopped", "running")]),
        (READY, {"networks": ["default", "lab", "lab"]}, [("networks", [], ["lab"])]),
        (replace(READY, record=Record(networks=("lab",))), {"networks": ["lab"]}, []),
        # What is gone and not requested is forgotten, unless it is not known whether it is gone.
        (
            replace(READY, record=Record(networks=("lab", "default"))),
            {},
            [("networks", ["lab", "default"], ["default"])],
        ),
        (replace(READY, record=Record(networks=("lab",)), answers=False, units={"a": True}), {}, []),
        (replace(READY, pools=("images",)), {"pools": ["images", "fast"]}, [("pools", [], ["fast"])]),
        (replace(READY, members=frozenset({"bob"})), {"users": ["bob", "al"]}, [("users", ["bob"], ["al", "bob"])]),
        (replace(READY, answers=False, units={"a": True, "b": False}), {}, [("daemons", "stopped", "running")]),
        (replace(READY, units={"a": True, "b": True}), {}, []),
        # An installation that was interrupted is recorded, although no package is missing.
        (replace(READY, record=Record(packages_before=("bash",))), {}, [("packages", [], [])]),
        (replace(READY, nested=False), {"nested": True}, [("nested", False, True)]),
        (replace(READY, nested=True), {"nested": True}, []),
        (replace(READY, nested=False, nested_stored=True), {"nested": True}, []),
        (replace(READY, nested=True, nested_stored=False), {"nested": True}, [("nested", False, True)]),
        (replace(READY, nested=None), {"nested": None}, []),
    ],
)
def test_steps_of_a_host_that_is_prepared(host, options, expected):
    assert steps(host, **options) == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (READY, []),
        (
            OURS,
            [
                ("users", ["alice", "bob"], ["bob"]),
                ("daemons", "running", "stopped"),
                ("packages", ["libvirt", "qemu"], []),
                ("record", "present", "absent"),
            ],
        ),
        # Packages that somebody has removed already are not removed again.
        (
            replace(READY, installed=frozenset({"qemu"}), record=Record(packages=("libvirt", "qemu"), stopped=True)),
            [("packages", ["qemu"], []), ("record", "present", "absent")],
        ),
        (
            replace(READY, record=Record(networks=("lab",), pools=("fast",), nested=True), nested_stored=True),
            [
                ("networks", ["lab"], []),
                ("pools", ["fast"], []),
                ("nested", True, None),
                ("record", "present", "absent"),
            ],
        ),
        (
            replace(READY, record=Record(forwarding=("0", "0")), forwarding=("1", "0")),
            [("forwarding", ["1", "0"], ["0", "0"]), ("record", "present", "absent")],
        ),
        # Another network that runs needs forwarding, too, unless libvirt is removed.
        (
            replace(READY, record=Record(forwarding=("0",)), forwarding=("1",), active_networks=("default",)),
            [("record", "present", "absent")],
        ),
        (
            replace(
                READY, record=Record(forwarding=("0",), networks=("lab",)), forwarding=("1",), active_networks=("lab",)
            ),
            [("networks", ["lab"], []), ("forwarding", ["1"], ["0"]), ("record", "present", "absent")],
        ),
        (
            replace(
                READY,
                record=Record(forwarding=("0",), packages=("gone",), stopped=True),
                forwarding=("1",),
                active_networks=("default",),
            ),
            [("forwarding", ["1"], ["0"]), ("record", "present", "absent")],
        ),
        # A bridge that is not libvirt's may need forwarding.
        (
            replace(READY, record=Record(forwarding=("0",)), forwarding=("1",), bridges=("br0",)),
            [("record", "present", "absent")],
        ),
        # Directories and rules belong to the packages: without them, they were there before.
        (
            replace(READY, record=Record(folders=("/etc/libvirt",)), folders=("/etc/libvirt",), rules=True),
            [("record", "present", "absent")],
        ),
        (
            replace(
                READY,
                record=Record(packages=("gone",), folders=("/etc/libvirt", "/run/libvirt"), stopped=True),
                folders=("/etc/libvirt",),
                rules=True,
            ),
            [
                ("firewall", "rules of libvirt", "none"),
                ("folders", ["/etc/libvirt"], []),
                ("record", "present", "absent"),
            ],
        ),
    ],
)
def test_steps_of_a_removal(host, expected):
    assert steps(host, state="absent") == expected


def test_directory_without_package_files_is_rejected():
    with pytest.raises(NotFound, match="/srv has no package files, and qemu, libvirt must be installed"):
        steps(replace(BARE, package_files=()), package_folder="/srv")
    assert steps(replace(BARE, package_files=("/srv/a.deb",)), package_folder="/srv")


@pytest.mark.parametrize(
    ("host", "message"),
    [
        (replace(OURS, vms=("web1", "db")), r"This host has VMs \(web1, db\), which would be lost to libvirt\."),
        (replace(OURS, vms=tuple("abcdefg")), r"VMs \(a, b, c, d, e and 2 more\)"),
        (replace(OURS, networks=("default", "other")), "networks: other of this host were not created by the role"),
        (replace(OURS, pools=("default", "vg")), "pools: vg of this host were not created by the role"),
        (replace(OURS, answers=False), "libvirt does not answer, so it is not known whether this host has VMs"),
        (replace(OURS, blocked="virt-manager depends on libvirt"), "Other packages need .*: virt-manager depends"),
    ],
)
def test_removal_is_rejected_while_others_need_libvirt(host, message):
    with pytest.raises(Refused, match=message):
        steps(host, state="absent")


def test_removal_goes_on_after_the_daemons_were_stopped():
    host = replace(OURS, answers=False, networks=(), record=replace(RECORD, stopped=True))
    assert [key for key, _before, _after in steps(host, state="absent")] == ["users", "packages", "record"]


def test_unknown_user_is_rejected():
    with pytest.raises(Refused, match="users: this host has no user bob"):
        steps(replace(BARE, unknown_users=("bob",)), users=["bob"])


@pytest.mark.parametrize(
    ("host", "message"),
    [
        (BARE, "this host has no /dev/kvm"),
        (replace(READY, has_kvm=True, kvm="failed to set MSR"), "KVM does not work: failed to set MSR"),
    ],
)
def test_required_kvm_that_does_not_work_is_rejected(host, message):
    with pytest.raises(Unsupported, match=message):
        steps(host, require_kvm=True)


@pytest.mark.parametrize(
    ("state", "wanted", "nested", "expected"),
    [
        ("present", True, False, True),
        ("present", True, True, False),
        ("present", None, False, False),
        ("present", True, None, False),
        ("absent", True, False, False),
    ],
)
def test_restart_that_nesting_needs_is_reported(state, wanted, nested, expected):
    assert needs_restart({**NOTHING, "state": state, "nested": wanted}, replace(READY, nested=nested)) is expected


def test_added_packages_are_those_that_did_not_exist_before():
    record = Record(packages_before=("bash", "libc6"), packages=("qemu",))
    after = record.after_installation(frozenset({"bash", "libc6", "libvirt", "qemu"}))
    assert after == Record(packages=("libvirt", "qemu"))
    assert after.after_installation(frozenset({"bash", "vim"})) == after
