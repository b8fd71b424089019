# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated pairs of a network or pool and a task about it, on real libvirt: check mode predicts the run.

A second run changes nothing, and nothing of another owner is changed: another network and pool, the data of a pool, and
the reservation of a VM, which is deleted with the VM, before or after the network.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import count

import pytest
from hypothesis import strategies as st

from suite.carry import carry_one
from suite.pairs import generated

#: A pair takes three seconds.
FULL, AT_MOST = 4, 200
LAB, OTHER = "pvg-lab", "pvg-other"
OWN_ADDRESS, OWN_MAC = "10.107.0.50", "52:54:00:00:07:50"
_HOSTS = [
    {"mac": "52:54:00:00:07:10", "name": "db1", "address": "10.107.0.10"},
    {"mac": "52:54:00:00:07:11", "name": "db2", "address": "10.107.0.11"},
    {"mac": "52:54:00:00:07:10", "name": "db1", "address": "10.107.0.12"},
    {"mac": OWN_MAC, "name": "taken", "address": OWN_ADDRESS},
]
_RANGES = [{"start": f"10.107.0.{one}", "end": f"10.107.0.{one + 20}"} for one in (100, 150)]
_DNS = [{"address": "10.107.0.9", "names": names} for names in (["ntp"], ["ntp", "time"])]
_OTHER = f"<network><name>{OTHER}</name><bridge name='virpvg-8'/><ip address='10.108.0.1' prefix='24'/></network>"
#: Options that a task may set, and that the existing network may have.
_NETWORK = {
    "mode": st.sampled_from(["isolated", "nat"]),
    "mtu": st.sampled_from([1400, 1500]),
    "ranges": st.lists(st.sampled_from(_RANGES), unique_by=str, max_size=2),
    "hosts": st.lists(st.sampled_from(_HOSTS), unique_by=lambda one: one["mac"], max_size=2),
    "dns": st.lists(st.sampled_from(_DNS), max_size=1),
    "domain": st.sampled_from(["lab.test", "other.test"]),
    "isolated_ports": st.booleans(),
    "autostart": st.booleans(),
}
_ASKED = {
    **_NETWORK,
    "addresses": st.sampled_from([["10.107.0.1/24"], ["10.107.0.1/24", "fd00:107::1/64"], ["10.108.0.129/25"]]),
    "purge": st.booleans(),
    "allow_restart": st.booleans(),
    "state": st.sampled_from(["active", "present", "inactive", "absent"]),
}
#: What somebody changed by hand: nothing, or one of the two sides, or the network does not run.
_DRIFTS = st.sampled_from([
    (), ("net-destroy", LAB),
    ("net-update", LAB, "delete", "ip-dhcp-host", f"<host mac='{_HOSTS[0]['mac']}'/>", "--live"),
    ("net-update", LAB, "delete", "ip-dhcp-host", f"<host mac='{_HOSTS[0]['mac']}'/>", "--config"),
    ("net-update", LAB, "add", "ip-dhcp-host", "<host mac='52:54:00:00:07:77' ip='10.107.0.77'/>", "--live"),
    ("net-update", LAB, "add", "ip-dhcp-host", "<host mac='52:54:00:00:07:77' ip='10.107.0.77'/>", "--config"),
])  # fmt: skip


class _Host:
    """Everything that libvirt has of networks and pools, and tasks about them."""

    def __init__(self, platform, shim, folder):
        self.platform, self._shim, self.folder = platform, shim, folder

    def run(self, about, check=False, **options):
        return carry_one(self.platform, self._shim, self.folder, options, about=about, check=check).result

    def virsh(self, *words, **more):
        return self.platform.virsh(*words, **more)

    def state(self):
        """{(kind, name): (running definition, stored definition)}; an inactive one has the latter twice."""
        return {
            (kind, name): tuple(
                _without_sizes(self.virsh(f"{kind}-dumpxml", name, *more)) for more in ((), ("--inactive",))
            )
            for kind in ("net", "pool")
            for name in sorted(self.virsh(f"{kind}-list", "--all", "--name").split())
        }

    def remove(self):
        self.platform.clean()
        for kind in ("net", "pool"):
            for name in self.virsh(f"{kind}-list", "--all", "--name").split():
                if name.startswith(("pvg-lab", "pvg-other", "pvg-pool")):
                    self.virsh(f"{kind}-destroy", name, check=False)
                    self.virsh(f"{kind}-undefine", name, check=False)


def _without_sizes(text):
    """A definition without what changes with the data of a pool."""
    root = ET.fromstring(text)
    for name in ("capacity", "allocation", "available"):
        for found in root.findall(name):
            root.remove(found)
    return ET.tostring(root, encoding="unicode")


@pytest.fixture(name="host")
def _host(qemu, shim, tmp_path):
    found = _Host(qemu, shim, tmp_path)
    found.remove()
    yield found
    found.remove()


def _assert_predicted(host, about, asked):
    """Run a task in check mode, and then twice; returns its result."""
    before = host.state()
    check = host.run(about, check=True, **asked)
    assert host.state() == before, "check mode has written"
    real = host.run(about, **asked)
    keys = ("failed", "msg", "changed", "diff", "plan", "kept", "restart_required")
    assert [check.get(key) for key in keys] == [real.get(key) for key in keys], real
    end = host.state()
    if real.get("failed"):
        assert end == before
    else:
        assert bool(real["diff"]["before"] or real["diff"]["after"]) == real["changed"]
        again = host.run(about, **asked)
        assert (again.get("failed", False), again["changed"]) == (False, asked.get("state") == "refreshed"), again
        assert host.state() == end, "a run that has nothing to do has written"
    return real


@pytest.mark.full
def test_networks(host):
    numbers = count()

    @generated(
        FULL, st.none() | st.fixed_dictionaries({}, optional=_NETWORK), _DRIFTS,
        st.fixed_dictionaries({}, optional=_ASKED), st.booleans(), at_most=AT_MOST,
    )  # fmt: skip
    def holds(found, drift, asked, network_first):
        host.remove()
        host.virsh("net-define", "/dev/stdin", stdin=_OTHER)
        host.virsh("net-start", OTHER)
        foreign = host.state()
        vm = None if found is None else _made(host, found, drift, f"pvg-vm{next(numbers)}")
        real = _assert_predicted(host, "network", {"name": LAB, **asked})
        end = host.state()
        assert {key: end[key] for key in foreign} == foreign
        if vm and ("net", LAB) in end:
            addresses = [one.get("ip") for one in ET.fromstring(end["net", LAB][1]).findall("ip/dhcp/host")]
            assert OWN_ADDRESS in addresses, real
        _delete(host, vm, network_first)
        assert host.state() == foreign

    holds()


def _made(host, found, drift, name):
    """The existing network, with the reservation of a stopped VM; returns the name of the VM."""
    hosts = [one for one in found.get("hosts", ()) if one["mac"] != OWN_MAC]
    # Without a range, libvirt has no DHCP server, and an address cannot be reserved.
    ranges = found.get("ranges") or _RANGES[:1]
    options = {"mode": "isolated", **found, "hosts": hosts, "ranges": ranges, "addresses": ["10.107.0.1/24"]}
    made = host.run("network", name=LAB, bridge="virpvg-7", **options)
    assert not made.get("failed"), made
    nic = {"type": "network", "source": LAB, "address": OWN_ADDRESS, "mac": OWN_MAC}
    vm = host.run("vm", **{**host.platform.creation, "name": [name], "networks": [nic], "state": "stopped"})
    assert not vm.get("failed"), vm["msg"]
    if drift:
        # The entry that it deletes may not exist.
        host.virsh(*drift, check=False)
    return name


def _delete(host, vm, network_first):
    """Delete network and VM in this order."""
    tasks = [("network", {"name": LAB, "state": "absent"})]
    if vm:
        tasks.append(("vm", {"name": [vm], "state": "absent"}))
    for about, options in tasks if network_first else tasks[::-1]:
        done = host.run(about, **options)
        assert not done.get("failed"), done


_PATHS = ("one", "two")
_POOL = {"path": st.sampled_from(_PATHS), "mode": st.sampled_from(["0711", "0750"]), "autostart": st.booleans()}
_ASKED_OF_POOL = {
    **_POOL,
    "type": st.just("dir"),
    "allow_restart": st.booleans(),
    "state": st.sampled_from(["active", "present", "inactive", "refreshed", "absent"]),
}


@pytest.mark.full
def test_pools(host):
    numbers = count()

    @generated(
        FULL, st.none() | st.fixed_dictionaries({}, optional=_POOL), st.booleans(), st.booleans(),
        st.fixed_dictionaries({}, optional=_ASKED_OF_POOL), at_most=AT_MOST,
    )  # fmt: skip
    def holds(found, is_stopped, is_ready, asked):
        host.remove()
        folder = host.folder / f"pools{next(numbers)}"
        (folder / "other").mkdir(parents=True)
        if is_ready:
            (folder / "two").mkdir()
        host.virsh("pool-create-as", "pvg-other", "dir", "--target", str(folder / "other"))
        foreign = host.state()
        if found is not None:
            options = {"path": "one", **found}
            made = host.run("pool", name="pvg-pool", type="dir", **{**options, "path": str(folder / options["path"])})
            if made.get("failed"):
                return  # A mode that the existing directory does not have.
            if is_stopped:
                host.virsh("pool-destroy", "pvg-pool")
        data = [path / "data.img" for path in folder.iterdir()]
        for path in data:
            path.write_bytes(b"data")
        if "path" in asked:
            asked = {**asked, "path": str(folder / asked["path"])}
        _assert_predicted(host, "pool", {"name": "pvg-pool", **asked})
        assert {key: host.state()[key] for key in foreign} == foreign
        assert [path.read_bytes() for path in data] == [b"data"] * len(data)

    holds()
