# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each provider supports, and values that are rejected before the project is read."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
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
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.project import Busy
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.traits import vagrant_traits

LIBVIRT = vagrant_traits({"libvirt"})


@pytest.mark.parametrize(
    ("provider", "suspended", "verbs", "stop_mode"),
    [
        ("libvirt", {PAUSED}, {"pause", "resume"}, "graceful"),
        ("hyperv", {PAUSED}, {"pause", "resume"}, "graceful_then_force"),
        ("virtualbox", {SUSPENDED}, {"suspend"}, "graceful"),
        ("vmware_desktop", {SUSPENDED}, {"suspend"}, "graceful_then_force"),
        ("proxmox", set(), set(), "graceful_then_force"),
    ],
)
def test_power_states_and_stop_mode_depend_on_the_provider(provider, suspended, verbs, stop_mode):
    traits = vagrant_traits({provider})
    assert traits.powers == {STOPPED, RUNNING, *suspended}
    assert traits.verbs & {"pause", "resume", "suspend"} == verbs
    assert traits.stop_modes[0] == stop_mode


def _vm(provider, **config):
    return Vm("web", id="u", config={"provider": provider, **config})


@pytest.mark.parametrize(
    ("provider", "power", "requested", "cost"),
    [
        ("libvirt", RUNNING, SnapshotRequest("s", description="x"), LIVE),
        ("libvirt", RUNNING, SnapshotRequest("s", include_memory=False), NEVER),
        ("libvirt", STOPPED, SnapshotRequest("s", include_memory=False), LIVE),
        ("virtualbox", SUSPENDED, SnapshotRequest("s"), NEVER),
        ("hyperv", STOPPED, SnapshotRequest("s", description="x"), NEVER),
        ("hyperv", STOPPED, SnapshotRequest("s"), LIVE),
    ],
)
def test_possible_snapshots_depend_on_the_provider_and_the_power_state(provider, power, requested, cost):
    field = vagrant_traits({provider}).fields["snapshot.take"]
    assert field.cost_of(Vm("web", id="u", power=power), Change("snapshot", None, requested)) == cost
    assert field.cost_of(Vm("web", power=STOPPED), Change("snapshot", None, requested)) == NEVER


@pytest.mark.parametrize(
    ("provider", "restored_as"), [("libvirt", {}), ("virtualbox", {RUNNING: SUSPENDED}), ("hyperv", {STOPPED: RUNNING})]
)
def test_power_state_after_a_restore_depends_on_the_provider(provider, restored_as):
    assert vagrant_traits({provider}).restored_as == restored_as


@pytest.mark.parametrize(
    ("config", "texts"),
    [
        ({"memory": (1 << 30) + 1}, ("memory", "multiple of 1M")),
        ({"disks": {"primary": {"size": (1 << 30) + 1}}}, ("disks", "multiple of 1M")),
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
def test_invalid_setting_is_rejected(config, texts):
    with pytest.raises(Refused) as error:
        LIBVIRT.normalize(Vm.absent("web"), config)
    for text in ("web: ", *texts):
        assert text in str(error.value)


def test_os_type_selects_the_box_of_the_provider():
    os_boxes = {"gentoo": {"libvirt": "me/gentoo"}}
    normalize = vagrant_traits({"libvirt"}, default_provider="libvirt", os_boxes=os_boxes).normalize
    boxes = [normalize(Vm.absent("web"), config)["box"] for config in ({"os_type": "debian-12"}, {"os_type": "gentoo"})]
    assert boxes == ["debian/bookworm64", "me/gentoo"]
    assert normalize(Vm.absent("web"), {"os_type": "beos", "box": "me/beos"})["box"] == "me/beos"


def test_omitted_keys_get_the_defaults_of_vagrant():
    adjusted = LIBVIRT.normalize(Vm.absent("web"), {
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
    ("found", "requested", "normalized"),
    [
        (HOSTONLY, BRIDGED, {**BRIDGED, "address": None}),
        (HOSTONLY, {**BRIDGED, "address": "10.0.0.5"}, {**BRIDGED, "address": "10.0.0.5"}),
        (BRIDGED, {"type": "hostonly"}, {"type": "hostonly", "source": None}),
        (HOSTONLY, {"type": "hostonly"}, {"type": "hostonly"}),
        (HOSTONLY, {}, {}),
        (BRIDGED, {"source": "eth1"}, {"source": "eth1"}),
        # An IPv6 address can be written in several ways; its short form is compared.
        (HOSTONLY, {"address": "FD00:0:0::1"}, {"address": "fd00::1"}),
    ],
)
def test_nic_is_normalized(found, requested, normalized):
    known = _vm("virtualbox", networks={"0": {"type": "nat"}, "1": found})
    assert LIBVIRT.normalize(known, {"networks": {"1": requested}})["networks"] == {"1": normalized}


@pytest.mark.parametrize(("path", "normalized"), [("/srv/", "/srv"), ("/srv", "/srv"), ("/", "/"), ("C:\\a", "C:\\a")])
def test_guest_path_is_normalized(path, normalized):
    requested = {"a": {"host_path": "/srv", "guest_path": path}}
    for known in ({}, {"shared_folders": requested}):
        adjusted = LIBVIRT.normalize(_vm("virtualbox", **known), {"shared_folders": requested})
        assert adjusted["shared_folders"]["a"]["guest_path"] == normalized


@pytest.mark.parametrize(
    ("valid", "names"),
    [(False, ["two words", "-dash", "/x/", "ü", ".dot", ""]), (True, ["web", "web-1", "web_1.example", "1"])],
)
def test_names_that_vagrant_would_misread_are_rejected(valid, names):
    assert [LIBVIRT.name_fault(name) is None for name in names] == [valid] * len(names)
    snapshots = ["a b", "a" * 247] if valid else ["-a", ".a", "a/b", "a" * 248]
    assert [LIBVIRT.snapshot_name_fault(name) is None for name in snapshots] == [valid] * len(snapshots)


def test_errors_about_locked_vms_and_files_are_transient():
    locked = CommandFailed(("VBoxManage",), 1, "The machine 'web' is already locked for a session (or being unlocked)")
    assert all(LIBVIRT.transient(error) for error in (locked, Busy(("vagrant",), 1, "held")))
    assert not LIBVIRT.transient(CommandFailed(("vagrant",), 1, "It went wrong."))


def test_unmanaged_project_supports_only_power_and_snapshots():
    traits = vagrant_traits({"libvirt"}, managed=False)
    assert {kind.split(".")[0] for kind in traits.fields} == {"snapshot"}
    assert traits.power_after_create == RUNNING
    for option in ("cpus", "box", "image", "networks", "native"):
        assert "managed: false" in traits.instead[option]


def test_same_os_type_keeps_the_box_of_the_description():
    """A newer version of the collection may have another box, but only recreating the VM changes its box."""
    known = _vm("libvirt", os_type="debian-12", box="our/own")
    assert LIBVIRT.normalize(known, {"os_type": "debian-12"})["box"] == "our/own"
    assert LIBVIRT.normalize(known, {"os_type": "debian-12", "box": "a/b"})["box"] == "a/b"
    assert LIBVIRT.normalize(known, {"os_type": "debian-11"})["box"] == "debian/bullseye64"
    traits = vagrant_traits({"libvirt"}, os_boxes={"debian-12": {"libvirt": "a/b"}})
    assert traits.normalize(known, {"os_type": "debian-12"})["box"] == "a/b"


@pytest.mark.parametrize("value", [None, True, {"a": 1}, ["a"]])
@pytest.mark.parametrize(
    ("option", "with_value"),
    [
        ("environment", lambda variables: variables),
        ("provisioners", lambda variables: ({"inline": "x", "env": variables},)),
    ],
)
def test_value_of_a_variable_must_be_a_string(option, with_value, value):
    with pytest.raises(Refused, match=f"{option}.*: the value of A is not a string"):
        LIBVIRT.normalize(_vm("libvirt"), {option: with_value({"A": value})})
