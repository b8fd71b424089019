# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""hyperv_host_settings on a simulated Windows host: from a host without Hyper-V to switches, paths and NAT."""

from __future__ import annotations

import pytest

from platforms.hyperv.double.host import HyperV
from platforms.hyperv.double.records import DEFAULT_SWITCH, Address, Knobs, Nic, Switch
from platforms.hyperv.tasks import run
from platforms.windows.failures import Failed, interruptions
from platforms.windows.machine import Machine
from suite.belts import share

SETTINGS = {
    "vm_path": "D:\\VMs",
    "disk_path": "D:/VMs/Disks/",
    "switches": [
        {"name": "nat", "type": "nat", "address": "10.60.0.1/24"},
        {"name": "lan", "type": "external", "adapter": "Ethernet 2", "allow_management_os": False},
        {"name": "[x] * 'q' `$()", "type": "private"},
    ],
}
KEYS = [
    "vm_path",
    "disk_path",
    "switches.nat",
    "switches.nat.address",
    "switches.nat.nat",
    "switches.lan",
    "switches.[x] * 'q' `$()",
]
HOSTS = {
    "server": {"client": False},
    "client": {"client": True},
    "german server": {"client": False, "culture": "de-DE"},
    "japanese client": {"client": True, "culture": "ja-JP"},
}
#: The number of places of an interruption that are tested on one day; a deep run tests all.
_PLACES = 8


def machine(enabled=False, **about):
    about = {"client": False, **about}
    started = Machine(HyperV(enabled=enabled, **about), starts=1 if about["client"] else 2)
    started.host.host_addresses.append(Address("Ethernet", "192.0.2.5", 24))
    return started


def apply(host, check=False, **options):
    return run(host, "host_settings", check=check, **options)


def look(host):
    """All values that the module can change."""
    double = host.host
    return {
        "features": dict(double.features.states),
        "settings": dict(double.settings),
        "switches": sorted((one.name, one.type, one.adapter, one.allow_management) for one in double.switches),
        "addresses": sorted((one.alias, one.address, one.prefix) for one in double.host_addresses),
        "nats": list(double.nats),
        "folders": sorted(double.files.folders),
        "restarts": host.restarts,
    }


@pytest.mark.parametrize("about", HOSTS.values(), ids=HOSTS)
def test_bare_host_with_permission_to_reboot(about):
    """One run is enough. Check mode predicts it; the second run changes nothing and needs two requests."""
    host = machine(**about)
    before = look(host)
    predicted = apply(host, check=True, reboot=True, **SETTINGS)
    assert look(host) == before
    done = apply(host, reboot=True, **SETTINGS)
    assert not done["failed"], done["msg"]
    assert (done["changed"], done["diff"]) == (predicted["changed"], predicted["diff"])
    assert list(done["diff"]["after"]) == ["features", "reboot", *KEYS]
    assert (done["reboot_required"], done["rebooted"], done["pending"]) == (False, True, [])
    assert (predicted["reboot_required"], predicted["rebooted"], predicted["pending"]) == (False, True, [])
    assert host.restarts == 1
    after, requests = look(host), len(host.host.windows.requests)
    again = apply(host, reboot=True, **SETTINGS)
    assert (again["failed"], again["changed"], again["rebooted"]) == (False, False, False)
    assert (look(host), len(host.host.windows.requests)) == (after, requests + 2)
    assert (host.host.settings["VirtualHardDiskPath"], after["nats"][0][0]) == ("D:\\VMs\\Disks", "nat")
    assert host.host.files.is_folder("D:\\VMs\\Disks")


@pytest.mark.parametrize("about", HOSTS.values(), ids=HOSTS)
def test_without_permission_the_rest_waits_for_a_restart(about):
    host = machine(**about)
    predicted = apply(host, check=True, **SETTINGS)
    done = apply(host, **SETTINGS)
    for result in (predicted, done):
        assert (list(result["diff"]["after"]), result["pending"]) == (["features"], KEYS)
        assert (result["changed"], result["reboot_required"], result["rebooted"]) == (True, True, False)
    again = apply(host, **SETTINGS)
    assert (again["changed"], again["reboot_required"], again["pending"]) == (False, True, KEYS)
    assert host.restarts == 0
    host.host.restart()
    after = apply(host, **SETTINGS)
    assert (after["failed"], list(after["diff"]["after"]), after["reboot_required"]) == (False, KEYS, False)


def test_only_what_is_given_is_changed():
    host = machine(enabled=True)
    host.host.switches.append(Switch("other", "Internal"))
    before = look(host)
    assert apply(host)["changed"] is False
    assert look(host) == before
    assert apply(host, disk_path="d:\\x")["diff"]["after"] == {"disk_path": "d:\\x"}
    assert apply(host, disk_path="D:\\X\\")["changed"] is False


def test_module_of_powershell_alone_needs_no_restart():
    host = machine(enabled=True)
    host.host.features.states["Hyper-V-PowerShell"] = "Disabled"
    host.host.load()
    done = apply(host, disk_path="D:\\x")
    assert not done["failed"], done["msg"]
    assert done["diff"]["after"] == {"features": {"Hyper-V-PowerShell": "enabled"}, "disk_path": "D:\\x"}
    assert done["reboot_required"] is False


@pytest.mark.parametrize(("client", "tool"), [(False, "Hyper-V-Tools"), (True, "Microsoft-Hyper-V-Management-Clients")])
def test_graphical_tools_are_installed_if_requested(client, tool):
    host = machine(client=client)
    apply(host, reboot=True)
    assert host.host.features.states[tool] == "Disabled"
    assert apply(host, management_tools=True)["diff"]["after"] == {"features": {tool: "enabled"}}
    assert host.host.features.states[tool] == "Enabled"
    assert apply(host, management_tools=False)["changed"] is False


def test_existing_switches_are_converted():
    host = machine(enabled=True)
    apply(host, switches=[{"name": "lan", "type": "private"}])
    external = {"name": "LAN", "type": "external", "adapter": "ethernet 2"}
    predicted = apply(host, check=True, switches=[external])
    done = apply(host, switches=[external])
    assert done["diff"] == predicted["diff"]
    assert done["diff"]["before"] == {"switches.LAN": {"type": "private"}}
    unshared = {**external, "allow_management_os": False}
    assert apply(host, switches=[unshared])["changed"] is True
    assert apply(host, switches=[unshared])["changed"] is False
    assert apply(host, switches=[external])["changed"] is False
    done = apply(host, switches=[{"name": "lan", "type": "internal", "address": "10.1.0.1/16"}])
    assert list(done["diff"]["after"]) == ["switches.lan", "switches.lan.address"]
    assert look(host)["switches"] == [("lan", "Internal", "", False)]


BUSY = {"name": "lan", "type": "external", "adapter": "Ethernet"}


@pytest.mark.parametrize("cuts", [False, True])
def test_adapter_with_an_address_needs_permission(cuts):
    host = machine(enabled=True, knobs=Knobs(switch_cuts_connection=cuts))
    before = look(host)
    for check in (True, False):
        done = apply(host, check=check, switches=[BUSY])
        assert done["failed"]
        assert "interrupts its connections for some seconds: Ethernet (192.0.2.5/24)" in done["msg"]
        assert "allow_connection_loss: true" in done["msg"]
    done = apply(host, switches=[{**BUSY, "allow_management_os": False}])
    assert "ends the host's connections through it for good" in done["msg"]
    assert look(host) == before
    done = apply(host, switches=[BUSY], allow_connection_loss=True)
    assert not done["failed"], done["msg"]
    assert list(done["diff"]["after"]) == ["switches.lan"]
    assert apply(host, switches=[BUSY])["changed"] is False


def test_switch_that_leaves_its_adapter_cuts_the_host_off_for_good():
    host = machine(enabled=True, knobs=Knobs())
    apply(host, switches=[BUSY], allow_connection_loss=True)
    for kind in ("internal", "private"):
        done = apply(host, check=True, switches=[{"name": "lan", "type": kind}])
        assert "changing it ends the host's connections through it for good: vEthernet (lan)" in done["msg"]
        assert "some seconds" not in done["msg"]


LAN = {"name": "lan", "type": "external", "adapter": "Ethernet 2", "allow_management_os": False}


@pytest.mark.parametrize("change", [{"type": "private"}, {"type": "internal"}, {"adapter": "Ethernet"}], ids=str)
def test_running_vms_of_an_unshared_switch_are_named(change):
    """No interface of the host is on the switch, so its VMs alone lose their network."""
    host = machine(enabled=True)
    host.host.host_addresses.clear()
    apply(host, switches=[LAN])
    vms = {name: host.host.add(name) for name in ("web", "db", "saved", "off", "other")}
    for name, vm in vms.items():
        vm.hardware.nics = [Nic("a", switch=host.host.switches[0].id if name != "other" else None)]
        vm.state = {"saved": "Saved", "off": "Off"}.get(name, "Running")
    vms["db"].state = "Paused"
    entry = {**LAN, **change} if "adapter" in change else {"name": "lan", **change}
    before = look(host)
    for check in (True, False):
        done = apply(host, check=check, switches=[entry])
        assert "changing it takes running VMs off their network: db, web." in done["msg"]
        assert look(host) == before
    assert not apply(host, switches=[LAN])["changed"]
    done = apply(host, check=True, switches=[entry], allow_connection_loss=True)
    assert (done["failed"], done["changed"]) == (False, True), done["msg"]
    for name in ("web", "db"):
        vms[name].state = "Off"
    assert apply(host, switches=[entry])["changed"]


def test_vms_of_a_private_switch_keep_each_other():
    host = machine(enabled=True)
    apply(host, switches=[{"name": "lan", "type": "private"}])
    vm = host.host.add("web")
    vm.hardware.nics, vm.state = [Nic("a", switch=host.host.switches[0].id)], "Running"
    assert apply(host, switches=[{"name": "lan", "type": "internal"}])["changed"]


NAT = {"name": "nat", "type": "nat", "address": "10.60.0.1/24"}


def _duplicates(double):
    double.switches += [Switch("nat", "Internal"), Switch("NAT", "Private")]


def _default(double):
    double.switches.append(Switch("nat", "Internal", DEFAULT_SWITCH))


def _other_nat(double):
    double.nats.append(("docker", {"InternalIPInterfaceAddressPrefix": "172.20.0.0/16"}))


def _overlap(double):
    double.host_addresses.append(Address("Ethernet 2", "10.60.0.7", 16))


def _no_edition(double):
    double.feature = "Disabled"
    double.features.remove("Hyper-V")
    double.load()


def _no_firmware(double):
    double.feature = "Disabled"
    double.firmware_allows = False
    double.load()


def _no_tools(double):
    double.features.remove("Hyper-V-Tools")


def _no_rights(double):
    double.windows.about["elevated"] = False


def _in_use(double):
    double.switches.append(Switch("uplink", "External", adapter="Ethernet 2"))


def _file(double):
    double.files.put("D:\\f", b"precious")


def _nothing(_double):
    """Leave the host unchanged."""


LAN = {"name": "lan", "type": "external", "adapter": "Ethernet 2"}


@pytest.mark.parametrize(
    ("prepare", "options", "message"),
    [
        (_duplicates, {"switches": [NAT]}, "switches.nat: the host has several switches of this name ("),
        (_default, {"switches": [{**NAT, "name": "Default Switch"}]}, "this is the default switch of Windows"),
        (_other_nat, {"switches": [NAT]}, "the host has the NAT network docker (172.20.0.0/16) already"),
        (_overlap, {"switches": [NAT]}, "address: 10.60.0.1/24 overlaps with 10.60.0.7/16 of Ethernet 2."),
        (_no_edition, {}, "This edition of Windows has no Hyper-V (the feature Hyper-V is unknown)."),
        (_no_firmware, {}, "virtualization is disabled in its firmware."),
        (_no_tools, {"management_tools": True}, "this edition of Windows has no feature Hyper-V-Tools."),
        (_no_rights, {}, "The user admin is no administrator of this host. Connect as a member of the group Admin"),
        (_in_use, {"switches": [LAN]}, "Ethernet 2 is used by the switch uplink."),
        (_nothing, {"switches": [{**LAN, "adapter": "eth0"}]}, "has no network adapter eth0. Its physical ones"),
        (_nothing, {"disk_path": "X:\\disks"}, "disk_path: X:\\disks: the host has no X:\\"),
        (_file, {"disk_path": "D:\\f"}, "disk_path: D:\\f cannot be a directory: D:\\f is a file."),
        (_file, {"vm_path": "d:\\F\\a"}, "vm_path: d:\\F\\a cannot be a directory: d:\\F is a file."),
        (_nothing, {"vm_path": "VMs"}, "vm_path: VMs is not an absolute path of Windows"),
        (_nothing, {"switches": [NAT, {**LAN, "name": "NAT"}]}, "switches.nat: the list has two entries of this name."),
        (_nothing, {"switches": [{**NAT, "address": None}]}, "switches.nat: type nat needs address"),
        (_nothing, {"switches": [{**NAT, "address": "10.60.0.0/24"}]}, "10.60.0.0/24 is not the address of a host"),
        (_nothing, {"switches": [{**NAT, "address": "10.60.0.1"}]}, "10.60.0.1 is not an IPv4 address with its prefix"),
        (_nothing, {"switches": [{**LAN, "adapter": None}]}, "switches.lan: type external needs adapter"),
        (_nothing, {"switches": [{**NAT, "adapter": "Ethernet"}]}, "adapter and allow_management_os need type ext"),
        (_nothing, {"switches": [{**LAN, "address": "10.0.0.1/24"}]}, "address needs type nat or internal."),
        (_nothing, {"switches": [NAT, {**NAT, "name": "b"}]}, "Windows supports only one NAT network"),
    ],
)  # fmt: skip
def test_refusals_change_nothing(prepare, options, message):
    host = machine(enabled=True)
    prepare(host.host)
    before, writes = look(host), host.host.writes()
    for check in (True, False):
        done = apply(host, check=check, **options)
        assert (done["failed"], done.get("changed", False)) == (True, False), done
        assert message in done["msg"]
    assert (look(host), host.host.writes()) == (before, writes)


def test_directory_that_windows_does_not_create_is_reported():
    """PowerShell reports no error then."""
    host = machine(enabled=True)
    before, path = look(host), "D:\\" + "n" * 256
    done = apply(host, disk_path=path)
    assert done["failed"]
    assert f"disk_path: Windows cannot create the directory {path}." in done["msg"]
    assert look(host) == before


def test_service_that_does_not_answer_is_reported():
    host = machine(enabled=True)
    host.host.is_service_running = False
    done = apply(host, disk_path="D:\\x")
    assert done["failed"]
    assert "Start the Virtual Machine Management service: Start-Service vmms." in done["msg"]


def test_restart_that_does_not_end_is_reported_with_what_was_changed():
    host = machine()
    host.down = 3600
    done = apply(host, reboot=True, reboot_timeout=600)
    assert (done["failed"], done["changed"]) == (True, True)
    assert "The host was not ready again after 600 seconds." in done["msg"]
    assert list(done["diff"]["after"]) == ["features"]


FAULTS = interruptions(Failed("InvalidOperation,x", "InvalidOperation", "Fehlgeschlagen"))


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("client", [False, True], ids=["server", "client"])
def test_interrupted_at_any_call_converges(request, client, fault):
    undisturbed = machine(client=client)
    assert not apply(undisturbed, reboot=True, **SETTINGS)["failed"]
    expected, calls = look(undisturbed), undisturbed.faults.calls
    for place in share(request.config, range(1, calls + 1), _PLACES):
        host = machine(client=client)
        before = look(host)
        host.faults.plan(call=place, **FAULTS[fault])
        done = apply(host, reboot=True, **SETTINGS)
        if done["failed"]:
            assert done.get("changed", False) == (look(host) != before), place
            again = apply(host, reboot=True, **SETTINGS)
            assert not again["failed"], (place, done["msg"], again["msg"])
        assert {**look(host), "restarts": 1} == expected, place
        assert apply(host, reboot=True, **SETTINGS)["changed"] is False, place
