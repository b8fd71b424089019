# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requirements on the host, checked before the first step: interfaces, memory, access of QEMU to directories."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import NotFound, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Change, Plan, Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh import host_checks
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.host_checks import (
    check_directories,
    check_interfaces,
    check_memory_of_host,
    check_volumes,
)

from unit.module_utils._drivers.virsh.answers import FakeVirsh, domain, driver_of, failed, volume

GIB = 1 << 30
START, STOP = Step("start"), Step("stop")
CREATE = Step("create", arguments={"config": {}, "creation": {}})
MOVED = Step("configure", changes=(Change("networks", "br0", "br9", key="0", attribute="source"),))
CAPABILITIES = """\
<capabilities><host><secmodel><model>none</model></secmodel><secmodel><model>dac</model>
<baselabel type='kvm'>+64055:+108</baselabel><baselabel type='qemu'>+64055:+108</baselabel>
</secmodel></host></capabilities>"""


def check(folder, *steps, capabilities="<capabilities/>", hypervisor="QEMU", uri="qemu:///system", **config):
    virsh = FakeVirsh({("capabilities",): capabilities})
    virsh.uri = uri
    driver = driver_of(virsh, folder)
    driver.hypervisor = hypervisor
    vm = Vm("web", id="u", config=config)
    for guard in (check_interfaces, check_memory_of_host, check_directories):
        guard(driver, Plan(vm, vm, segments=(steps,)))


@pytest.mark.parametrize("step", [START, CREATE, MOVED], ids=lambda step: step.verb)
def test_missing_bridge_is_rejected(tmp_path, step):
    nic = {"type": "bridged", "source": "pv-nosuch9"}
    with pytest.raises(
        NotFound, match=r"web: networks\.0\.source: the hypervisor has no network interface 'pv-nosuch9'"
    ):
        check(tmp_path, step, networks={"0": nic})
    for fine in ({"type": "bridged", "source": "lo"}, {"type": "network", "source": "pv-nosuch9"}):
        check(tmp_path, step, networks={"0": fine})
    check(tmp_path, STOP, networks={"0": nic})
    check(tmp_path, step, networks={"0": nic}, hypervisor="TEST")
    check(tmp_path, step, networks={"0": nic}, uri="qemu+ssh://other/system")


VOLUME = {"vdz": {"source": "vol"}, "vda": {"source": "/a"}}
DUMP, PATH = ("dumpxml", "u", "--inactive"), ("vol-path", "--pool", "p", "--vol", "vol")


def check_volume(folder, step, answer, disks=None, **more):
    virsh = FakeVirsh({DUMP: domain("web", more=volume("vol")).text(), PATH: answer})
    driver = driver_of(virsh, folder)
    vm = Vm("web", id="u", config={"disks": VOLUME if disks is None else disks, **more})
    check_volumes(driver, Plan(vm, vm, segments=((step,),)))
    return virsh


RESTORE = Step("restore", arguments={"power": "running"})


@pytest.mark.parametrize("step", [START, RESTORE], ids=lambda step: step.verb)
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("pool 'p' is not active", "pool 'p' is not active"),
        ("failed to get vol 'vol'\nStorage volume not found: no", "Storage volume not found: no"),
    ],
)
def test_start_with_a_volume_that_cannot_be_opened_is_rejected(tmp_path, step, error, reason):
    message = f"web: disks.vdz: the volume vol of the pool p cannot be used: {reason}."
    with pytest.raises(Refused, match=message) as caught:
        check_volume(tmp_path, step, failed(error))
    assert "virsh pool-start p" in caught.value.remedy
    with pytest.raises(Refused):
        check_volume(tmp_path, step, failed(error), disks={}, iso="vol")


def test_volumes_are_read_only_if_a_started_vm_has_them(tmp_path):
    error = failed("pool 'p' is not active")
    check_volume(tmp_path, START, "/pool/vol\n")
    assert check_volume(tmp_path, START, error, disks={"vda": {"source": "/a"}}).processes == 0
    assert check_volume(tmp_path, STOP, error).processes == 0
    assert check_volume(tmp_path, Step("restore", arguments={"power": "stopped"}), error).processes == 0
    # Only disks that the VM still has after the task.
    check_volume(tmp_path, START, error, disks={"vdb": {"source": "other"}})


def memory_of(monkeypatch, ram, swap, overcommit=b"0"):
    content_of = {
        "/proc/meminfo": b"MemTotal: %d kB\nMemFree: 1 kB\nSwapTotal:  %d kB\n" % (ram >> 10, swap >> 10),
        "/proc/sys/vm/overcommit_memory": overcommit + b"\n",
    }
    monkeypatch.setattr(host_checks.files, "read", content_of.__getitem__)


def test_more_memory_than_host_has_is_rejected(tmp_path, monkeypatch):
    memory_of(monkeypatch, 7 * GIB, 2 * GIB)
    with pytest.raises(Refused, match=r"web: memory: 10G is more than the hypervisor has \(9G of RAM and swap\)"):
        check(tmp_path, START, memory=10 * GIB)
    with pytest.raises(Refused, match=r"web: max_memory: 10G"):
        check(tmp_path, START, memory=GIB, max_memory=10 * GIB)
    check(tmp_path, START, memory=9 * GIB)
    check(tmp_path, CREATE, memory=10 * GIB)
    memory_of(monkeypatch, 7 * GIB, 2 * GIB, overcommit=b"1")
    check(tmp_path, START, memory=10 * GIB)
    # That is a mistake, whatever Linux grants.
    check(tmp_path, CREATE, memory=72 * GIB)
    with pytest.raises(Refused, match=r"web: memory: 73G"):
        check(tmp_path, CREATE, memory=73 * GIB)


@pytest.mark.parametrize(
    ("step", "memory", "uri", "ram", "is_warning"),
    [
        (START, 8, "qemu:///system", 7, True),
        (START, 7, "qemu:///system", 7, False),
        (START, 8, "qemu+ssh://other/system", 7, False),
        (START, 8, "qemu:///system", 0, False),
    ],
)
def test_start_of_a_vm_that_is_larger_than_the_ram_is_a_warning(
    tmp_path, monkeypatch, step, memory, uri, ram, is_warning
):
    """No process is started for it: the files of the host are read anyway."""
    memory_of(monkeypatch, ram * GIB, 2 * GIB)
    virsh = FakeVirsh()
    virsh.uri = uri
    vm = Vm("web", id="u", config={"memory": memory * GIB})
    warnings = host_checks.memory_of_host_warnings(driver_of(virsh, tmp_path), Plan(vm, vm, segments=((step,),)))
    assert [("web: memory: 8G is more than the RAM of the hypervisor (7G)" in one) for one in warnings] == (
        [True] if is_warning else []
    )
    assert virsh.processes == 0


def closed(folder, mode):
    """A file in a directory of this mode."""
    (folder / "closed").mkdir()
    (folder / "closed").chmod(mode)
    return {"vda": {"source": str(folder / "closed" / "d.qcow2")}}


def open_parent_directories(monkeypatch, folder):
    """Let everybody enter the directories above the one of the test."""
    real = host_checks.folders_above

    def inside(path):
        return [one for one in real(path) if one.startswith(f"{folder}/")]

    monkeypatch.setattr(host_checks, "folders_above", inside)


@pytest.mark.parametrize(("mode", "may"), [(0o700, False), (0o711, True), (0o710, False), (0o755, True)])
@pytest.mark.parametrize("step", [START, CREATE], ids=lambda step: step.verb)
def test_disk_in_directory_closed_to_qemu_is_rejected(tmp_path, monkeypatch, mode, may, step):
    open_parent_directories(monkeypatch, tmp_path)
    disks = closed(tmp_path, mode)
    if may:
        check(tmp_path, step, disks=disks, capabilities=CAPABILITIES)
        return
    with pytest.raises(
        Refused, match=r"web: disks\.vda\.source: QEMU runs as user 64055, who cannot enter .*closed"
    ) as raised:
        check(tmp_path, step, disks=disks, capabilities=CAPABILITIES)
    assert "setfacl -m u:64055:x" in raised.value.remedy
    # In a session libvirt reports no user; and QEMU may run as root.
    check(tmp_path, step, disks=disks)
    check(tmp_path, step, disks=disks, capabilities=CAPABILITIES.replace("+64055", "+0"))
    check(tmp_path, STOP, disks=disks, capabilities=CAPABILITIES)


def test_storage_path_closed_to_qemu_is_rejected(tmp_path, monkeypatch):
    open_parent_directories(monkeypatch, tmp_path)
    closed(tmp_path, 0o700)
    with pytest.raises(Refused, match=r"web: storage_path: QEMU runs as user 64055, who cannot enter"):
        check(tmp_path / "closed", CREATE, disks={"vda": {"size": GIB}}, capabilities=CAPABILITIES)
