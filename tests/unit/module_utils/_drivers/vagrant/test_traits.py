# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The features of Vagrant with each provider, and values that fail before the project is read."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.project import Busy
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.traits import vagrant_traits
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.errors import CommandFailed, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import (
    LIVE,
    NEVER,
    PAUSED,
    RUNNING,
    STOPPED,
    SUSPENDED,
    Change,
    SnapshotRequest,
    Vm,
)

LIBVIRT = vagrant_traits({"libvirt"})


@pytest.mark.parametrize(
    ("provider", "kept", "verbs", "stop_mode"),
    [
        ("libvirt", {PAUSED}, {"pause", "resume"}, "graceful"),
        ("hyperv", {PAUSED}, {"pause", "resume"}, "graceful_then_force"),
        ("virtualbox", {SUSPENDED}, {"suspend"}, "graceful"),
        ("vmware_desktop", {SUSPENDED}, {"suspend"}, "graceful_then_force"),
        ("proxmox", set(), set(), "graceful_then_force"),
    ],
)
def test_each_provider_in_its_own_way(provider, kept, verbs, stop_mode):
    traits = vagrant_traits({provider})
    assert traits.powers == {STOPPED, RUNNING, *kept}
    assert traits.verbs & {"pause", "resume", "suspend"} == verbs
    assert traits.stop_modes[0] == stop_mode


def _vm(provider, **config):
    return Vm("web", id="u", config={"provider": provider, **config})


@pytest.mark.parametrize(
    ("provider", "power", "asked", "cost"),
    [
        ("libvirt", RUNNING, SnapshotRequest("s", description="x"), LIVE),
        ("libvirt", RUNNING, SnapshotRequest("s", include_memory=False), NEVER),
        ("libvirt", STOPPED, SnapshotRequest("s", include_memory=False), LIVE),
        ("virtualbox", SUSPENDED, SnapshotRequest("s"), NEVER),
        ("hyperv", STOPPED, SnapshotRequest("s", description="x"), NEVER),
        ("hyperv", STOPPED, SnapshotRequest("s"), LIVE),
    ],
)
def test_which_snapshots_can_be_taken(provider, power, asked, cost):
    field = vagrant_traits({provider}).fields["snapshot.take"]
    assert field.cost_of(Vm("web", id="u", power=power), Change("snapshot", None, asked)) == cost
    assert field.cost_of(Vm("web", power=STOPPED), Change("snapshot", None, asked)) == NEVER


@pytest.mark.parametrize(
    ("provider", "left_in"), [("libvirt", {}), ("virtualbox", {RUNNING: SUSPENDED}), ("hyperv", {STOPPED: RUNNING})]
)
def test_how_a_provider_leaves_what_it_has_restored(provider, left_in):
    assert vagrant_traits({provider}).restored_as == left_in


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"memory": (1 << 30) + 1}, ("memory", "MiB")),
        ({"disks": {"primary": {"size": (1 << 30) + 1}}}, ("disks", "MiB")),
        ({"disks": {"disk 1": {"size": 1 << 30}}}, ("disk 1", "primary", "native")),
        ({"networks": {"0": {"type": "hostonly"}}}, ("NIC 0", "hostonly", "nat")),
        ({"networks": {"0": {}, "1": {"type": "nat"}}}, ("NIC 1", "nat")),
        ({"networks": {"0": {"mac": "52:54:00:00:00:01"}}}, ("first NIC", "nothing but its type")),
        ({"networks": {"0": {}, "1": {"source": "br0"}}}, ("hostonly", "source")),
        ({"networks": {"0": {}, "1": {"address": "192.168.56.10/24"}}}, ("192.168.56.10/24", "prefix")),
        ({"port_forwards": {"web": {"guest_port": 80}}}, ("web", "host_port")),
        ({"os_type": "debain-12"}, ("os_type", "debain-12", "debian-12")),
        ({"hostname": ""}, ("hostname", "''", "remove the option")),
        ({"hostname": "web\n"}, ("hostname", "letters")),
        ({"os_type": "debian-13", "provider": "hyperv"}, ("os_type", "hyperv", "box")),
    ],
)
def test_rejected(config, words):
    with pytest.raises(Refused) as error:
        LIBVIRT.adjust(Vm.absent("web"), config)
    for word in ("web: ", *words):
        assert word in str(error.value)


def test_a_system_names_the_box_of_its_provider():
    more = {"gentoo": {"libvirt": "me/gentoo"}}
    adjust = vagrant_traits({"libvirt"}, default_provider="libvirt", os_boxes=more).adjust
    boxes = [adjust(Vm.absent("web"), config)["box"] for config in ({"os_type": "debian-12"}, {"os_type": "gentoo"})]
    assert boxes == ["debian/bookworm64", "me/gentoo"]
    assert adjust(Vm.absent("web"), {"os_type": "beos", "box": "me/beos"})["box"] == "me/beos"


def test_omitted_keys_get_the_defaults_of_vagrant():
    adjusted = LIBVIRT.adjust(Vm.absent("web"), {
        "networks": {"0": {}, "1": {"address": "192.168.56.10"}},
        "shared_folders": {"src": {"host_path": "/srv"}},
        "provisioners": ({"inline": "true", "path": None, "args": [], "env": {}},),
    })  # fmt: skip
    assert adjusted["networks"] == {"0": {"type": "nat"}, "1": {"type": "hostonly", "address": "192.168.56.10"}}
    assert adjusted["shared_folders"]["src"]["guest_path"] == "/src"
    assert adjusted["provisioners"] == ({"inline": "true"},)


HOSTONLY = {"type": "hostonly", "address": "192.168.56.10", "mac": "08:00:27:aa:bb:cc"}
BRIDGED = {"type": "bridged", "source": "eth0"}


@pytest.mark.parametrize(
    ("found", "asked", "normalized"),
    [
        (HOSTONLY, BRIDGED, {**BRIDGED, "address": None}),
        (HOSTONLY, {**BRIDGED, "address": "10.0.0.5"}, {**BRIDGED, "address": "10.0.0.5"}),
        (BRIDGED, {"type": "hostonly"}, {"type": "hostonly", "source": None}),
        (HOSTONLY, {"type": "hostonly"}, {"type": "hostonly"}),
        (HOSTONLY, {}, {}),
        (BRIDGED, {"source": "eth1"}, {"source": "eth1"}),
        # Of several ways of writing one address there is one that is compared.
        (HOSTONLY, {"address": "FD00:0:0::1"}, {"address": "fd00::1"}),
    ],
)
def test_normalized_nic(found, asked, normalized):
    known = _vm("virtualbox", networks={"0": {"type": "nat"}, "1": found})
    assert LIBVIRT.adjust(known, {"networks": {"1": asked}})["networks"] == {"1": normalized}


@pytest.mark.parametrize(("path", "normalized"), [("/srv/", "/srv"), ("/srv", "/srv"), ("/", "/"), ("C:\\a", "C:\\a")])
def test_a_place_in_the_guest_is_written_in_one_way(path, normalized):
    asked = {"a": {"host_path": "/srv", "guest_path": path}}
    for known in ({}, {"shared_folders": asked}):
        adjusted = LIBVIRT.adjust(_vm("virtualbox", **known), {"shared_folders": asked})
        assert adjusted["shared_folders"]["a"]["guest_path"] == normalized


@pytest.mark.parametrize(
    ("fits", "names"),
    [(False, ["two words", "-dash", "/x/", "ü", ".dot", ""]), (True, ["web", "web-1", "web_1.example", "1"])],
)
def test_names_that_vagrant_takes_for_something_else_are_rejected(fits, names):
    assert [LIBVIRT.name_fault(name) is None for name in names] == [fits] * len(names)
    snapshots = ["a b", "a" * 247] if fits else ["-a", ".a", "a/b", "a" * 248]
    assert [LIBVIRT.snapshot_name_fault(name) is None for name in snapshots] == [fits] * len(snapshots)


def test_errors_of_vms_and_files_in_use_pass():
    locked = CommandFailed(("VBoxManage",), 1, "The machine 'web' is already locked for a session (or being unlocked)")
    assert all(LIBVIRT.transient(error) for error in (locked, Busy(("vagrant",), 1, "held")))
    assert not LIBVIRT.transient(CommandFailed(("vagrant",), 1, "It went wrong."))


def test_an_adopted_project_is_only_driven():
    traits = vagrant_traits({"libvirt"}, managed=False)
    assert {kind.split(".")[0] for kind in traits.fields} == {"snapshot"}
    assert traits.power_after_create == RUNNING
    for option in ("cpus", "box", "image", "networks", "native"):
        assert "managed: false" in traits.instead[option]


def test_a_system_that_is_asked_for_again_keeps_the_box_it_was_described_with():
    """Our table may have another one by then, and only recreating the VM changes its box."""
    known = _vm("libvirt", os_type="debian-12", box="our/own")
    assert LIBVIRT.adjust(known, {"os_type": "debian-12"})["box"] == "our/own"
    assert LIBVIRT.adjust(known, {"os_type": "debian-12", "box": "a/b"})["box"] == "a/b"
    assert LIBVIRT.adjust(known, {"os_type": "debian-11"})["box"] == "debian/bullseye64"
    traits = vagrant_traits({"libvirt"}, os_boxes={"debian-12": {"libvirt": "a/b"}})
    assert traits.adjust(known, {"os_type": "debian-12"})["box"] == "a/b"


@pytest.mark.parametrize("value", [None, True, {"a": 1}, ["a"]])
@pytest.mark.parametrize(
    ("option", "given"),
    [("environment", lambda one: one), ("provisioners", lambda one: ({"inline": "x", "env": one},))],
)
def test_a_variable_is_a_text(option, given, value):
    with pytest.raises(Refused, match=f"{option}.*: the value of A is not a string"):
        LIBVIRT.adjust(_vm("libvirt"), {option: given({"A": value})})
