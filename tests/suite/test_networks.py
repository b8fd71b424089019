# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``virsh_network`` on real libvirt: do, again and check; live and stored; who uses a network; what is rejected."""

from __future__ import annotations

import os
import subprocess
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor

import pytest

from suite.carry import carry_one
from suite.shim import Shim

LAB = "pvg-lab"
MAC, OTHER_MAC = "52:54:00:00:07:10", "52:54:00:00:07:11"
FIRST = {"mac": MAC, "name": "db1", "address": "10.107.0.10"}
SECOND = {"mac": OTHER_MAC, "name": "db2", "address": "10.107.0.11"}
RANGE = {"start": "10.107.0.100", "end": "10.107.0.150"}
RANGE_SIX = {"start": "fd00:107::100", "end": "fd00:107::1ff"}
WHOLE = {
    "name": LAB,
    "mode": "isolated",
    "addresses": ["10.107.0.1/24", "fd00:107::1/64"],
    "ranges": [RANGE, RANGE_SIX],
    "hosts": [FIRST, {"name": "v6", "address": "fd00:107::10"}],
    "domain": "lab.test",
    "domain_local": True,
    "dns": [{"address": "10.107.0.9", "names": ["ntp", "time"]}],
    "forwarders": [{"address": "10.107.0.5", "domain": "corp.test"}],
    "mtu": 1400,
    "isolated_ports": True,
    "autostart": True,
    "tftp": "/srv",
    "bootp": {"file": "pxelinux.0"},
}
PLAIN = {"name": LAB, "addresses": ["10.107.0.1/24"], "mode": "isolated", "ranges": [RANGE]}


@pytest.fixture
def lan(qemu):
    def remove():
        for name in qemu.virsh("net-list", "--all", "--name").split():
            if name.startswith(LAB):
                subprocess.run(["virsh", "-q", "net-destroy", name], capture_output=True, check=False)
                subprocess.run(["virsh", "-q", "net-undefine", name], capture_output=True, check=False)

    qemu.clean()
    remove()
    yield qemu
    qemu.clean()
    remove()


@pytest.fixture
def run(lan, shim, tmp_path):
    """Run virsh_network; a real run is preceded by check mode, which must report the same, and has written nothing."""

    def carry(check=True, **options):
        before = _all(lan)
        first = carry_one(lan, shim, tmp_path, options, about="network", check=True)
        assert _all(lan) == before
        real = carry_one(lan, shim, tmp_path, options, about="network")
        keys = ("changed", "diff", "plan", "restart_required", "failed")
        if check:
            assert [first.result.get(key) for key in keys] == [real.result.get(key) for key in keys], real.result
        return real.result

    return carry


def _all(lan):
    names = sorted(lan.virsh("net-list", "--all", "--name").split())
    return {name: [lan.virsh("net-dumpxml", name, *more) for more in ((), ("--inactive",))] for name in names}


def _sides(lan, path="ip/dhcp/host", attribute="ip"):
    """The values of the running and of the stored network, as virsh shows them."""
    texts = [lan.virsh("net-dumpxml", LAB, *more) for more in ((), ("--inactive",))]
    return [sorted(one.get(attribute) for one in ET.fromstring(text).findall(path)) for text in texts]


def _done(result):
    assert not result.get("failed"), result
    return result


def test_whole_network_is_created_and_then_unchanged(lan, run, shim, tmp_path):
    created = _done(run(**WHOLE))
    assert created["changed"]
    assert _sides(lan) == [["10.107.0.10", "fd00:107::10"]] * 2
    again = _done(run(**WHOLE))
    assert (again["changed"], again["plan"], again["diff"]["before"]) == (False, "", {})
    shown = {name: value for name, value in again["network"].items() if name in WHOLE}
    assert shown == {**WHOLE, "bootp": {"file": "pxelinux.0", "server": None}}
    (info,) = carry_one(lan, shim, tmp_path, {"name": LAB}, about="network_info").result["networks"]
    assert (info["restart_required"], info["persistent"], info["in_use"]["running"]) == (False, True, [])
    _done(run(name=LAB, state="absent"))
    assert LAB not in _all(lan)
    assert not _done(run(name=LAB, state="absent"))["changed"]


def test_each_side_is_completed_separately(lan, run):
    """A task that was killed between net-define and net-update is completed; --live and --config differ by hand."""
    _done(run(**PLAIN))
    wanted = {"name": LAB, "hosts": [FIRST, SECOND], "dns": [{"address": "10.107.0.9", "names": ["ntp"]}]}
    lan.virsh("net-update", LAB, "add", "ip-dhcp-host", f"<host mac='{MAC}' name='db1' ip='10.107.0.10'/>", "--config")
    changed = _done(run(**wanted))
    assert set(changed["diff"]["before"]) == {
        f"{LAB}.{one}" for one in ("hosts", "dns", "running.hosts", "running.dns")
    }
    assert changed["restart_required"] is False
    assert _sides(lan) == [["10.107.0.10", "10.107.0.11"]] * 2
    assert _sides(lan, "dns/host") == [["10.107.0.9"]] * 2
    lan.virsh("net-update", LAB, "delete", "ip-dhcp-host", f"<host mac='{MAC}'/>", "--live")
    assert set(_done(run(**wanted))["diff"]["before"]) == {f"{LAB}.running.hosts"}
    assert not _done(run(**wanted))["changed"]
    moved = {**FIRST, "address": "10.107.0.20"}
    new_names = [{"address": "10.107.0.9", "names": ["ntp", "time"]}]
    assert _done(run(name=LAB, hosts=[moved], dns=new_names))["changed"]
    assert _sides(lan) == [["10.107.0.11", "10.107.0.20"]] * 2
    more = {"start": "10.107.0.200", "end": "10.107.0.210"}
    assert _done(run(name=LAB, ranges=[more], purge=True))["changed"]
    assert _sides(lan, "ip/dhcp/range", "start") == [["10.107.0.200"]] * 2
    assert _done(run(name=LAB, hosts=[SECOND], purge=True))["changed"]
    assert _sides(lan) == [["10.107.0.11"]] * 2


@pytest.mark.deep("the unit tests change the network while a task runs, in the same two ways")
def test_entries_of_several_tasks_at_once_remain(lan, run, tmp_path):
    """Each task adds its entries; one of them changes the definition, too, which libvirt stores as a whole."""
    _done(run(**PLAIN))
    entries = [{"mac": f"52:54:00:00:07:2{one}", "address": f"10.107.0.2{one}"} for one in range(3)]
    tasks = [{"name": LAB, "hosts": [one], "mtu": 1400 if place else None} for place, one in enumerate(entries)]
    with ThreadPoolExecutor(len(tasks)) as pool:
        answers = list(pool.map(lambda one: _alone(lan, tmp_path / one["hosts"][0]["mac"][-2:], one), tasks))
    assert [answer.result.get("msg") for answer in answers] == [None] * len(tasks)
    assert _sides(lan) == [sorted(one["address"] for one in entries)] * 2


def _alone(lan, folder, options):
    """Run one task with its own directory and counted calls."""
    folder.mkdir()
    return carry_one(lan, Shim(folder / "shim", lan.commands), folder, options, about="network")


def test_names_with_an_address_of_each_ip_version(lan, run):
    """Two entries have one name: libvirt finds an entry of DNS by its names, too, when it deletes one."""
    _done(run(**{**PLAIN, "addresses": WHOLE["addresses"]}))
    hosts = [FIRST, {"name": "db1", "address": "fd00:107::10"}]
    dns = [{"address": one, "names": ["ntp", "time"]} for one in ("10.107.0.9", "fd00:107::9")]
    changed = _done(run(name=LAB, hosts=hosts, dns=dns))
    assert (changed["changed"], changed["restart_required"]) == (True, False)
    assert not _done(run(name=LAB, hosts=hosts, dns=dns))["changed"]
    assert _sides(lan) == [["10.107.0.10", "fd00:107::10"]] * 2
    moved = _done(run(name=LAB, dns=[{"address": "fd00:107::9", "names": ["ntp"]}]))
    assert (moved["changed"], moved["restart_required"]) == (True, False)
    _done(run(name=LAB, hosts=hosts[:1], dns=dns[:1], purge=True))
    assert _sides(lan) == [["10.107.0.10"]] * 2
    assert _sides(lan, "dns/host") == [["10.107.0.9"]] * 2


def test_routes_and_removed_values(lan, run):
    route = {"destination": "10.111.0.0/24", "gateway": "10.107.0.2"}
    routed = {**PLAIN, "mode": "routed", "routes": [route], "domain": "lab.test", "domain_local": True, "tftp": "/srv"}
    _done(run(**routed))
    assert not _done(run(**routed))["changed"]
    assert _sides(lan, "route", "gateway") == [["10.107.0.2"]] * 2
    moved = run(name=LAB, addresses=["10.112.0.1/24"])
    assert moved["failed"]
    assert "routes.10.111.0.0/24: the gateway 10.107.0.2 is not in a subnet" in moved["msg"]
    emptied = {"name": LAB, "domain": "", "tftp": "", "routes": [], "purge": True, "allow_restart": True}
    assert _done(run(**emptied))["changed"]
    assert [
        _sides(lan, path, name) for path, name in (("domain", "name"), ("ip/tftp", "root"), ("route", "gateway"))
    ] == [[[], []]] * 3
    assert not _done(run(**emptied))["changed"]
    for device in ("lo", None):
        native = {"native": {"forward@dev": device}, "allow_restart": True}
        assert _done(run(name=LAB, **native))["changed"]
        assert not _done(run(name=LAB, **native))["changed"]


def test_stopped_network_with_a_used_subnet_is_not_started(lan, run):
    _done(run(**PLAIN, state="inactive"))
    subprocess.run(["ip", "link", "add", "pvgbr7", "type", "bridge"], check=True)
    try:
        subprocess.run(["ip", "address", "add", "10.107.0.254/24", "dev", "pvgbr7"], check=True)
        subprocess.run(["ip", "link", "set", "pvgbr7", "up"], check=True)
        rejected = run(name=LAB)
        assert rejected["failed"]
        assert "cannot be started: the interface pvgbr7 has its subnet 10.107.0.0/24" in rejected["msg"]
        assert not _done(run(name=LAB, state="inactive"))["changed"]
    finally:
        subprocess.run(["ip", "link", "del", "pvgbr7"], check=True)
    assert _done(run(name=LAB))["changed"]


def test_restart_is_pending_until_it_was_permitted(lan, run):
    _done(run(**PLAIN))
    first = _done(run(name=LAB, mtu=1400))
    assert (first["changed"], first["restart_required"], first["pending"]) == (True, True, [f"{LAB}.restart"])
    second = _done(run(name=LAB, mtu=1400))
    assert (second["changed"], second["restart_required"]) == (False, True)
    third = _done(run(name=LAB, mtu=1400, allow_restart=True))
    assert (third["changed"], third["restart_required"]) == (True, False)
    assert _sides(lan, "mtu", "size") == [["1400"]] * 2
    assert not _done(run(name=LAB, mtu=1400, allow_restart=True))["changed"]


def test_subnet_is_moved_and_other_values_remain(lan, run):
    _done(run(**{**WHOLE, "addresses": WHOLE["addresses"][:1], "ranges": [RANGE], "hosts": [FIRST]}))
    moved = _done(run(name=LAB, addresses=["10.108.0.1/24"], allow_restart=True))
    assert moved["diff"]["after"][f"{LAB}.hosts"] == []
    assert moved["network"]["tftp"] == "/srv"
    assert _sides(lan, "ip", "address") == [["10.108.0.1"]] * 2
    for value, stores in (({"foo/bar": "x"}, "does not store it"), ({"bridge@delay": "05"}, "stores '5' instead")):
        answer = run(name=LAB, native=value)
        assert (answer.get("failed"), stores in answer["msg"]) == (True, True), answer
    native = _done(run(name=LAB, native={"bridge@delay": 5}))
    assert (native["changed"], native["restart_required"]) == (True, True)
    assert not _done(run(name=LAB, native={"bridge@delay": 5}))["changed"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"addresses": ["192.168.157.129/25"]}, ("192.168.157.128/25 overlaps", "pvg-network")),
        ({"addresses": ["10.109.3.1/24"]}, ("10.109.0.0/16", "a route by lo")),
    ],
)
def test_what_libvirt_would_accept_is_rejected(lan, run, options, words):
    lan.start_network()
    subprocess.run(["ip", "route", "replace", "10.109.0.0/16", "dev", "lo"], check=True)
    try:
        before = _all(lan)
        result = run(**{**PLAIN, **options})
        assert result["failed"]
        assert [word for word in words if word not in result["msg"]] == []
        assert _all(lan) == before
    finally:
        subprocess.run(["ip", "route", "del", "10.109.0.0/16", "dev", "lo"], check=True)


def test_existing_bridge_is_used(lan, run):
    subprocess.run(["ip", "link", "add", "pvgbr7", "type", "bridge"], check=True)
    try:
        options = {"name": LAB, "mode": "bridge", "bridge": "pvgbr7"}
        assert _done(run(**options))["changed"]
        assert not _done(run(**options))["changed"]
        back = _done(run(name=LAB, mode="isolated", bridge="pvgbr8", allow_restart=True))
        assert back["network"]["bridge"] == "pvgbr8"
    finally:
        subprocess.run(["ip", "link", "del", "pvgbr7"], check=True)


def _vm(lan, shim, tmp_path, **options):
    new = {**lan.creation, "name": [f"{lan.prefix}user"], **options}
    result = carry_one(lan, shim, tmp_path, new).result
    assert not result.get("failed"), result
    return result["vms"][0]


@pytest.mark.core
def test_running_vm_protects_its_network(lan, run, shim, tmp_path):
    _done(run(**PLAIN))
    nics = [{"type": "network", "source": LAB}]
    _vm(lan, shim, tmp_path, networks=nics, state="started")
    for state in ("inactive", "absent"):
        result = run(name=LAB, state=state)
        assert result["failed"]
        assert f"{lan.prefix}user" in result["msg"]
    kept = _done(run(name=LAB, mtu=1400, allow_restart=True))
    assert (kept["restart_required"], kept["in_use"]["running"]) == (True, [f"{lan.prefix}user"])
    assert f"{lan.prefix}user" in str(kept["warnings"])
    _vm(lan, shim, tmp_path, state="stopped", stop_mode="force")
    done = _done(run(name=LAB, mtu=1400, allow_restart=True))
    assert (done["changed"], done["restart_required"]) == (True, False)
    assert done["in_use"] == {"running": [], "defined": [f"{lan.prefix}user"]}


@pytest.fixture
def port(lan):
    """An interface of the host that somebody adds to the bridge of the network, as container runtimes do."""
    subprocess.run(["ip", "link", "add", "pvgveth3", "type", "veth", "peer", "name", "pvgveth4"], check=True)
    yield "pvgveth3"
    subprocess.run(["ip", "link", "del", "pvgveth3"], check=True)


@pytest.fixture
def on_top(lan):
    """The name of a device that somebody puts on the bridge of the network: it goes with the bridge."""
    yield "pvgtap5"
    subprocess.run(["ip", "link", "del", "pvgtap5"], check=False, capture_output=True)


def test_what_is_on_top_of_the_bridge_protects_the_network(lan, run, on_top):
    _done(run(**PLAIN, bridge="pvgbr9"))
    subprocess.run(["ip", "link", "add", on_top, "link", "pvgbr9", "type", "macvtap"], check=True)
    rejected = run(name=LAB, state="inactive")
    assert rejected["failed"] and f"would cut off {on_top}" in rejected["msg"]
    kept = _done(run(name=LAB, mtu=1400, allow_restart=True))
    assert (kept["restart_required"], kept["in_use"]["running"]) == (True, [on_top])
    assert os.path.exists(f"/sys/class/net/{on_top}")
    subprocess.run(["ip", "link", "del", on_top], check=True)
    assert not _done(run(name=LAB, mtu=1400, allow_restart=True))["restart_required"]


def _is_cut_off(lan, vm):
    """Whether a port of a running VM is on no bridge any more."""
    ports = [one.get("dev") for one in ET.fromstring(lan.virsh("dumpxml", vm)).findall("devices/interface/target")]
    return [one for one in ports if not os.path.exists(f"/sys/class/net/{one}/master")]


@pytest.mark.parametrize("user", ["vm", "port"])
def test_what_is_on_the_bridge_protects_the_network(lan, run, shim, tmp_path, port, user):
    """virt-install --network bridge=virbr0 names the bridge, of which the network knows nothing."""
    _done(run(**PLAIN, bridge="pvgbr9"))
    used = port
    if user == "vm":
        used = _vm(lan, shim, tmp_path, networks=[{"type": "bridged", "source": "pvgbr9"}], state="started")["name"]
    else:
        subprocess.run(["ip", "link", "set", port, "master", "pvgbr9"], check=True)
    for state in ("inactive", "absent"):
        rejected = run(name=LAB, state=state)
        assert rejected["failed"]
        assert f"would cut off {used}" in rejected["msg"]
    kept = _done(run(name=LAB, mtu=1400, allow_restart=True))
    assert (kept["restart_required"], kept["in_use"]["running"]) == (True, [used])
    assert used in str(kept["warnings"])
    (info,) = carry_one(lan, shim, tmp_path, {"name": LAB}, about="network_info").result["networks"]
    assert info["in_use"]["running"] == [used]
    if user == "vm":
        assert _is_cut_off(lan, used) == []
        _vm(lan, shim, tmp_path, state="stopped", stop_mode="force")
    else:
        subprocess.run(["ip", "link", "set", port, "nomaster"], check=True)
    assert not _done(run(name=LAB, mtu=1400, allow_restart=True))["restart_required"]


@pytest.mark.parametrize("network_first", [True, False])
def test_reservation_of_a_vm_belongs_to_it(lan, run, shim, tmp_path, network_first):
    _done(run(**PLAIN, hosts=[FIRST]))
    nics = [{"type": "network", "source": LAB, "address": "10.107.0.50"}]
    vm = _vm(lan, shim, tmp_path, networks=nics, state="stopped")
    purged = _done(run(**PLAIN, hosts=[FIRST], purge=True))
    assert not purged["changed"]
    assert _done(run(**PLAIN, hosts=[], purge=True))["changed"]
    assert _sides(lan) == [["10.107.0.50"]] * 2
    taken = run(name=LAB, hosts=[{**FIRST, "address": "10.107.0.50"}])
    assert taken["failed"]
    assert vm["name"] in taken["msg"]
    lost = run(name=LAB, addresses=["10.110.0.1/24"])
    assert lost["failed"]
    assert vm["name"] in lost["msg"]
    if network_first:
        gone = _done(run(name=LAB, state="absent"))
        assert vm["name"] in str(gone["warnings"])
    deleted = carry_one(lan, shim, tmp_path, {"name": [vm["name"]], "state": "absent"})
    assert deleted.rc == 0, deleted.result
    if not network_first:
        assert _sides(lan) == [[]] * 2
        _done(run(name=LAB, state="absent"))
    assert LAB not in _all(lan)
