# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""community.libvirt: the modules virt_net and virt_pool on real libvirt."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from peers.libvirt_sides import CHANGED, FAILED, OK, WEB, flags, opened
from platforms.libvirt import qemu

pytestmark = pytest.mark.deep("what ours does in these cases is among its own tests of a full run")

LAB, POOL = "pvd-lab", "pvd-pool"
_NET, _POOL = "community.libvirt.virt_net", "community.libvirt.virt_pool"
_ADDRESSES = {"four": ("10.107.0.1/24", "ipv4", "24"), "six": ("fd00:107::1/64", "ipv6", "64")}
_RANGES = {
    "four": {"start": "10.107.0.100", "end": "10.107.0.150"},
    "six": {"start": "fd00:107::100", "end": "fd00:107::1ff"},
}
_OURS = {"name": LAB, "mode": "isolated", "bridge": "virpvd-7"}


def _xml(mtu=1400, families=("four",)):
    """The definition of the network."""
    parts = []
    for one in families:
        address, family, prefix = _ADDRESSES[one]
        span = "<range start='{start}' end='{end}'/>".format(**_RANGES[one])
        host = address.partition("/")[0]
        parts.append(f"<ip address='{host}' prefix='{prefix}' family='{family}'><dhcp>{span}</dhcp></ip>")
    return f"<network><name>{LAB}</name><bridge name='virpvd-7'/><mtu size='{mtu}'/>{''.join(parts)}</network>"


def _options(mtu=1400, families=("four",)):
    """The same as options of ours."""
    addresses = [_ADDRESSES[one][0] for one in families]
    return {**_OURS, "mtu": mtu, "addresses": addresses, "ranges": [_RANGES[one] for one in families]}


def _pool_xml(path):
    return f"<pool type='dir'><name>{POOL}</name><target><path>{path}</path></target></pool>"


class _Host:
    """Both sides, and what virsh shows of the network and the pool."""

    def __init__(self, sides):
        self.sides, self.platform = sides, sides.platform

    def net(self, *tasks):
        return self._theirs(LAB, _NET, tasks)

    def pool(self, *tasks):
        return self._theirs(POOL, _POOL, tasks)

    def _theirs(self, name, module, tasks):
        answers = self.sides.theirs(*[{"name": name, **one} for one in tasks], module=module)
        self.messages = [one.msg for one in answers]
        return flags(answers)

    def ours(self, about, **options):
        return self.sides.ours(about, **options)

    def stored(self, path, attribute):
        """The values of an attribute in the stored definition of the network."""
        root = ET.fromstring(self.platform.virsh("net-dumpxml", LAB, "--inactive"))
        return [one.get(attribute) for one in root.findall(path)]

    def names(self, kind, *words):
        return self.platform.virsh(f"{kind}-list", "--name", *words).split()

    def start_vm(self, **options):
        self.sides.created(state="started", **options)

    def remove(self):
        self.platform.clean()
        for kind, name in (("net", LAB), ("pool", POOL)):
            for verb in ("destroy", "undefine"):
                self.platform.virsh(f"{kind}-{verb}", name, check=False)


@pytest.fixture
def host(tmp_path):
    """Real libvirt without the network and the pool."""
    with opened(qemu.Platform("pvd-"), tmp_path) as sides:
        found = _Host(sides)
        found.remove()
        yield found
        found.remove()


class TestOtherDefinitionOfNetwork:
    """D36: change the MTU of a network that exists"""

    def test_theirs(self, host):
        """Each run reports success and no change: an existing network is never compared."""
        changed = {"xml": _xml(1300)}
        answers = host.net(*({"command": "define", "xml": _xml()}, {"command": "define", **changed}))
        assert answers == [CHANGED, OK]
        assert host.net({"state": "present", **changed}) == [OK]
        assert host.stored("mtu", "size") == ["1400"]

    def test_ours(self, host):
        """Changes it, and the second run changes nothing; a pending restart of the network is reported."""
        wanted = {**_options(1300), "state": "present"}
        answers = [host.ours("network", **_options()), *[host.ours("network", **wanted) for _time in range(2)]]
        assert flags(answers) == [CHANGED, CHANGED, OK]
        assert host.stored("mtu", "size") == ["1300"]
        assert answers[2].result["restart_required"]


class TestStartOfNetworkReportsNoChange:
    """D37: start a network"""

    def test_theirs(self, host):
        """`command: start` starts it and reports no change."""
        assert host.net({"command": "define", "xml": _xml()}, {"command": "start"}) == [CHANGED, OK]
        assert LAB in host.names("net")

    def test_ours(self, host):
        """Reports the change, in check mode too."""
        host.ours("network", **_options(), state="inactive")
        answers = [host.ours("network", name=LAB, state="active", check=check) for check in (True, False)]
        assert flags(answers) == [CHANGED] * 2
        assert LAB in host.names("net")


class TestCheckOfRemovedNetwork:
    """D38: check a task that deletes a stopped network"""

    def test_theirs(self, host):
        """Check mode deletes the network."""
        answers = host.net({"command": "define", "xml": _xml()}, {"state": "absent", "check": True})
        assert answers == [CHANGED] * 2
        assert LAB not in host.names("net", "--all")

    def test_ours(self, host):
        """Check mode reports the change and deletes nothing."""
        host.ours("network", **_options(), state="inactive")
        assert flags([host.ours("network", name=LAB, state="absent", check=True)]) == [CHANGED]
        assert LAB in host.names("net", "--all")


class TestNetworkOfRunningVm:
    """D39: stop or delete a network while a VM runs on it"""

    def test_theirs(self, host):
        """Reports success, and the running VM has no network any more, not even after the network is started again."""
        host.net({"command": "define", "xml": _xml()}, {"state": "active"})
        host.start_vm(networks=[{"type": "network", "source": LAB}])
        assert host.net({"state": "inactive"}, {"state": "active"}) == [CHANGED] * 2
        assert "vnet" not in host.platform.virsh("net-port-list", LAB)
        assert host.net({"state": "absent"}) == [CHANGED]
        assert host.sides.power() == "running"

    def test_ours(self, host):
        """Fails and names the VM; nothing is changed."""
        host.ours("network", **_options())
        host.start_vm(networks=[{"type": "network", "source": LAB}])
        answers = [host.ours("network", name=LAB, state=state) for state in ("inactive", "absent")]
        assert flags(answers) == [FAILED] * 2
        assert all(WEB in one.msg for one in answers)
        assert LAB in host.names("net")


class TestAddressesOfVersionSix:
    """D40: reserve IPv6 addresses on a network with IPv4 and IPv6"""

    def test_theirs(self, host):
        """Fails: the reservation is added to the first subnet, which is IPv4."""
        hosts = [f"<host name='{name}' ip='fd00:107::{number}'/>" for number, name in ((10, "db1"), (11, "db2"))]
        host.net({"command": "define", "xml": _xml(families=("four", "six"))}, {"state": "active"})
        assert host.net(*[{"command": "modify", "xml": one} for one in hosts]) == [FAILED] * 2
        assert "the address family" in host.messages[0]
        assert host.stored("ip/dhcp/host", "ip") == []

    def test_ours(self, host):
        """Reserves both, in the running and in the stored network."""
        hosts = [{"name": "db1", "address": "fd00:107::10"}, {"name": "db2", "address": "fd00:107::11"}]
        host.ours("network", **_options(families=("four", "six")))
        answers = [host.ours("network", name=LAB, hosts=hosts) for _time in range(2)]
        assert flags(answers) == [CHANGED, OK]
        assert host.stored("ip/dhcp/host", "ip") == ["fd00:107::10", "fd00:107::11"]


class TestSamePoolTwice:
    """D41: define a pool, create its directory, and start it, in every run"""

    def test_theirs(self, host, tmp_path):
        """The second run fails, because the pool is active."""
        tasks = [{"command": "define", "xml": _pool_xml(tmp_path / "one")}, {"command": "build"}, {"state": "active"}]
        assert host.pool(*tasks) == [CHANGED] * 3
        assert host.pool(*tasks) == [OK, FAILED, OK]
        assert "already active" in host.messages[1]

    def test_ours(self, host, tmp_path):
        """One task; the second run changes nothing."""
        wanted = {"name": POOL, "type": "dir", "path": str(tmp_path / "one")}
        assert flags(host.ours("pool", **wanted) for _time in range(2)) == [CHANGED, OK]


class TestOtherDefinitionOfPool:
    """D42: move a pool that exists to another directory"""

    def test_theirs(self, host, tmp_path):
        """Reports success and no change: an existing pool is never compared."""
        tasks = [{"state": "present", "xml": _pool_xml(tmp_path / name)} for name in ("one", "two")]
        assert host.pool(*tasks) == [CHANGED, OK]
        assert str(tmp_path / "one") in host.platform.virsh("pool-dumpxml", POOL)

    def test_ours(self, host, tmp_path):
        """Changes it, and reports that the pool must be restarted."""
        first, second = [host.ours("pool", name=POOL, type="dir", path=str(tmp_path / name)) for name in ("one", "two")]
        assert flags([first, second]) == [CHANGED] * 2
        assert second.result["restart_required"]
        assert str(tmp_path / "two") in host.platform.virsh("pool-dumpxml", POOL, "--inactive")


class TestCheckOfRefreshedPool:
    """D43: refresh a pool"""

    def test_theirs(self, host, tmp_path):
        """Check mode does it, and neither check mode nor the run reports a change."""
        folder = tmp_path / "one"
        host.pool({"state": "present", "xml": _pool_xml(folder)}, {"command": "build"}, {"state": "active"})
        (folder / "new.img").write_bytes(b"data")
        assert host.pool({"command": "refresh", "check": True}) == [OK]
        assert "new.img" in host.platform.virsh("vol-list", POOL)

    def test_ours(self, host, tmp_path):
        """Check mode reports it and does nothing."""
        folder = tmp_path / "one"
        host.ours("pool", name=POOL, type="dir", path=str(folder))
        (folder / "new.img").write_bytes(b"data")
        answers = [host.ours("pool", name=POOL, state="refreshed", check=True)]
        assert "new.img" not in host.platform.virsh("vol-list", POOL)
        answers.append(host.ours("pool", name=POOL, state="refreshed"))
        assert flags(answers) == [CHANGED] * 2
        assert "new.img" in host.platform.virsh("vol-list", POOL)


class TestPoolOfRunningVm:
    """D44: stop a pool while a running VM has a volume of it"""

    def test_theirs(self, host):
        """Reports success."""
        host.pool({"state": "present", "xml": _pool_xml(host.platform.storage)}, {"state": "active"})
        _start_vm_with_volume(host)
        assert host.pool({"state": "inactive"}) == [CHANGED]
        assert POOL not in host.names("pool")

    def test_ours(self, host):
        """Fails and names the VM."""
        host.ours("pool", name=POOL, type="dir", path=str(host.platform.storage))
        _start_vm_with_volume(host)
        answer = host.ours("pool", name=POOL, state="inactive")
        assert flags([answer]) == [FAILED]
        assert WEB in answer.msg
        assert POOL in host.names("pool")


def _start_vm_with_volume(host):
    host.platform.virsh("vol-create-as", POOL, "data.raw", "1M")
    host.start_vm()
    source = f"<source pool='{POOL}' volume='data.raw'/><target dev='vdb' bus='virtio'/>"
    disk = f"<disk type='volume' device='disk'><driver name='qemu' type='raw'/>{source}</disk>"
    host.platform.virsh("attach-device", WEB, "/dev/stdin", "--live", stdin=disk)
