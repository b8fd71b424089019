# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs that other tools have created are described: the task changes nothing, and what it does not hold is named."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan import plan
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.task_of import task_of
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.driver import VBoxDriver
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.answers import vm_of
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.traits import virsh_traits
from ansible_collections.polyvirt.core.plugins.module_utils._engine.inspect import report_vms
from ansible_collections.polyvirt.core.plugins.module_utils._engine.task import run
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vboxmanage import VBoxManage
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh import Answer
from ansible_collections.polyvirt.core.plugins.modules import vbox_vm, virsh_vm

from platforms.hyperv.bench import OnHyperV
from platforms.proxmox.bench import OnProxmox
from platforms.vmm.bench import Vmd
from platforms.wsl.bench import OnWsl
from suite.described import assert_kept, entry_of, request_of
from suite.pairs import Case
from unit.module_utils._drivers.vagrant.in_process import World
from unit.module_utils._drivers.vbox.recorded_registry import driver_on
from unit.module_utils._drivers.virsh.answers import recorded
from unit.module_utils._drivers.virsh.foreign import ODD, UUID
from unit.module_utils._engine.world import FakeClock


def kinds(omitted):
    """{path: kind} without defaults."""
    return {one["path"]: one["kind"] for one in omitted if one["kind"] != "default"}


# libvirt --------------------------------------------------------------------------------------------------------------


def _of_libvirt(text, sizes, power="shut off"):
    """The Vm of a definition, as the info module reads it to describe it."""
    block_info = "".join(f"{target} {size} {size} {size}\n" for target, size in sizes.items())
    answers = {
        "inactive": Answer(text, None),
        "power": Answer(f"{power}\n", None),
        "sizes": Answer(f"Target Capacity Allocation Physical\n-----\n{block_info}", None),
    }
    listing = SimpleNamespace(saved=(), autostarted=(), transient=(), active=())
    return vm_of(UUID, listing, answers, None)


def _described_libvirt(text, sizes):
    traits, module = virsh_traits("QEMU", "9.0.0", True), virsh_vm.MODULE
    vm = _of_libvirt(text, sizes)
    task, omitted = task_of(vm, traits, module.options)
    planned = plan(vm, request_of(module, task), traits)
    assert (planned.refusal, planned.changed) == (None, False)
    return task, kinds(omitted)


def test_definition_of_virt_install():
    task, omitted = _described_libvirt(ODD, {"sda": 8 << 30, "vda": 1 << 30, "sdb": 1 << 20})
    assert (task["cpus"], task["memory"], task["iso"]) == (4, "2G", "/iso/w.iso")
    assert task["description"] == "{{ not a template }}"
    slots = {disk["slot"]: disk for disk in task["disks"]}
    assert slots["sata0"] == {"slot": "sata0", "size": "8G", "format": "qcow2", "source": "/data/odd.qcow2"}
    assert slots["vda"]["source"] == "/dev/vg/odd"
    assert task["devices"] == [{"type": "pci", "id": "0000:01:00.0"}]
    assert task["networks"][0] == {"type": "bridged", "source": "br0", "model": "e1000e"}
    assert task["native"].items() >= {"on_crash": "preserve", "cpu@mode": "host-model"}.items()
    assert task["rtc"] == "localtime"
    assert task["options"]["boot_order"] == ["network", "disk"]
    unsupported = {path for path, kind in omitted.items() if kind == "unsupported"}
    assert unsupported >= {
        "title", "cputune", "os/bootmenu", "features/hyperv", "cpu/topology", "devices/sound", "devices/redirdev",
        "devices/hostdev[1]@managed", "devices/disk[fda]", "devices/disk[sda]/driver@cache",
        "devices/disk[vda]/readonly", "devices/interface[1]/bandwidth",
    }  # fmt: skip
    assert [omitted[f"networks.{place}.mac"] for place in range(3)] == ["identity"] * 3


@pytest.mark.parametrize("name", ["rich-dumpxml-inactive.xml", "uefi-dumpxml-inactive.xml", "vm1-dumpxml-inactive.xml"])
def test_recorded_definitions(name):
    task, _omitted = _described_libvirt(recorded(name), {"vda": 1 << 30, "vdb": 1 << 20, "sda": 1 << 20})
    assert (task["platform"], task["state"]) == ("libvirt", "stopped")


# Others ---------------------------------------------------------------------------------------------------------------


def test_registry_of_virtualbox(tmp_path):
    module = vbox_vm.MODULE
    driver, commands = driver_on(tmp_path)
    result = report_vms(driver, {"describe": True}, "VirtualBox", module.options)
    vms = result["vms"]
    assert {vm["name"] for vm in vms} >= {"web", "linked", "run"}, result["host"]
    assert [vm["name"] for vm in vms if vm["task"] is None] == ["half"]
    for vm in (vm for vm in vms if vm["task"]):
        request = request_of(module, vm["task"])
        driver = VBoxDriver(VBoxManage(commands), commands, {"native": request.config.get("native")})
        outcome = run(driver, [request], check=True, clock=FakeClock())
        assert (outcome.failed, outcome.msg, outcome.diff, commands.calls) == (False, "", [], []), outcome.msg


#: Some forty keys, as the web interface and qm set write them.
FORTY = {
    "acpi": "1", "affinity": "0-3", "agent": "enabled=1,fstrim_cloned_disks=1", "args": "-device foo", "audio0":
    "device=ich9-intel-hda,driver=spice", "balloon": "1024", "bios": "ovmf", "boot": "order=scsi0;net0", "cores": "2",
    "sockets": "2", "cpu": "host,flags=+aes", "cpulimit": "1.5", "cpuunits": "200", "description": "one\n{{ two }}",
    "efidisk0": "local-lvm:vm-102-disk-9,efitype=4m,pre-enrolled-keys=1,size=4M", "hookscript": "local:snippets/h.pl",
    "hotplug": "network,disk", "ide2": "local:iso/debian.iso,media=cdrom,size=600M", "ipconfig0": "ip=dhcp",
    "ciuser": "me", "keyboard": "de", "localtime": "1", "machine": "pc-q35-8.1", "memory": "4096", "nameserver":
    "192.0.2.53", "net0": "virtio=BC:24:11:00:00:07,bridge=vmbr0,firewall=1,rate=10", "net1":
    "e1000=BC:24:11:00:00:08,bridge=vmbr1,link_down=1,tag=5", "numa": "1", "onboot": "1", "ostype": "l26",
    "protection": "1", "rng0": "source=/dev/urandom", "scsi0": "local-lvm:vm-102-disk-0,cache=writeback,size=32G",
    "scsihw": "lsi", "searchdomain": "example.com", "serial0": "socket", "shares": "500", "smbios1":
    "uuid=5f6b0e5e-3a1c-4c0b-9d6e-0c7a4f2b1a11", "startup": "order=2,up=30", "tablet": "0", "tags": "a;b", "vga":
    "qxl,memory=32", "vmgenid": "5f6b0e5e-3a1c-4c0b-9d6e-0c7a4f2b1a12", "watchdog": "model=i6300esb,action=reset",
}  # fmt: skip


def test_vm_of_proxmox_with_forty_keys():
    bench = OnProxmox()
    bench.prepare(Case(None, (FORTY, "stopped"), {}))
    (vm,) = [vm for vm in bench.described() if vm["name"] == "web"]
    assert_kept(bench, [vm])
    native = vm["task"]["native"]
    assert native.items() >= {
        "cpu": "host,flags=+aes", "net0": "firewall=1,rate=10", "scsi0": "cache=writeback", "scsihw": "lsi",
        "balloon": "1024", "startup": "order=2,up=30", "serial0": "socket", "boot": "order=scsi0;net0",
    }.items()  # fmt: skip
    assert {"vmgenid", "smbios1", "vga", "acpi", "efidisk0", "ide2"} & set(native) == set()
    assert vm["task"]["display"] == {"type": "spice", "video_memory": "32M"}
    assert vm["task"]["networks"][1] == {"type": "bridged", "source": "vmbr1", "model": "e1000", "vlan": 5}


def test_two_vms_of_proxmox_with_one_name_have_ids():
    bench = OnProxmox()
    bench.prepare(Case(None, ({"name": "web1", "memory": "1024", "cores": "1"}, "stopped"), {}))
    found = [vm for vm in bench.described() if vm["name"] == "web1"]
    assert [vm["task"]["id"] for vm in found] == [vm["id"] for vm in found]
    assert len(found) == 2
    assert_kept(bench, found)


def test_block_of_an_administrator_of_vmd():
    with Vmd.opened() as bench:
        host = bench._host
        options = '\tallow instance { boot, disk }\n\tinterface "tap5" { switch "lan" lladdr fe:e1:ba:00:00:09 }\n'
        text = f'vm "mail" {{\n\tdisable\n\tmemory 96M\n\tdisk "{host.disk()}"\n\towner root:wheel\n{options}}}\n'
        host.write("/etc/vm.conf", f'switch "lan" {{ interface bridge0 }}\n{text}')
        host.well("vmctl", "reload")
        (vm,) = bench.described()
        assert_kept(bench, [vm])
        assert vm["task"]["native"] == {"allow": ["boot", "disk"]}
        assert (vm["task"]["options"]["vmd_owner"], vm["task"]["networks"]) == (
            "root:wheel",
            [{"type": "network", "source": "lan"}],
        )


def test_vm_of_the_manager_of_hyperv():
    with OnHyperV.opened() as bench:
        vm = bench.host.vm("mail")
        vm.shown.update(LockOnDisconnect="On", AutomaticStartDelay=30, AutomaticCriticalErrorAction="None")
        (found,) = bench.described()
        assert_kept(bench, [found])
        native = {"VM.LockOnDisconnect": "On", "VM.AutomaticStartDelay": 30, "VM.AutomaticCriticalErrorAction": "None"}
        assert found["task"]["native"] == native
        assert {"native.VM.Version", "disks.SCSI 0:0.source"} & set(kinds(found["not_described"])) == {
            "native.VM.Version"
        }


@pytest.mark.parametrize("is_running", [True, False])
def test_imported_distribution_of_wsl(is_running):
    with OnWsl.opened() as bench:
        bench.host.add("Debian", running=is_running)
        (found,) = bench.described()
        assert_kept(bench, [found])
        unread = {"default_user", "systemd", "native"}
        assert unread & set(kinds(found["not_described"])) == (set() if is_running else unread)


def test_vagrantfile_of_a_user(tmp_path):
    world = World(tmp_path)
    world.vagrant.write('Vagrant.configure("2") do |config|\n  config.vm.box = "polyvirt/fast"\nend\n', "Vagrantfile")
    for state in ("absent", "started", "stopped"):
        world.run("default", managed=False, state=state, stop_mode="force")
        (found,) = world.run(None, about="vm_info", managed=False, describe=True).vms
        if state == "absent":
            assert found["task"] is None
            continue
        entry = entry_of(found["task"])
        assert entry["managed"] is False
        outcome = world.run(**entry, check=True)
        assert (outcome.failed, outcome.changed, outcome.vms[0]["state"]) == (False, False, found["state"])
