# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that would fail after a part of the work, or never succeed, fail before any change, also in check mode."""

from __future__ import annotations

import pytest

from simulators.proxmox import behind
from simulators.proxmox.storage import GIB, Storage
from unit.module_utils._drivers.proxmox.simulated import do, do_snapshot, rejected
from unit.module_utils._drivers.proxmox.tasks import account, done


def _left_unfinished(world, vmid):
    left = f'#<!-- polyvirt {{"id":"{vmid}","inputs":{{"clone":"9000"}},"unfinished":true,"v":1}} -->\n'
    world.cluster.machines[vmid].text = left + world.cluster.machines[vmid].text


@pytest.mark.parametrize(
    ("name", "state"),
    [("web2", "started"), ("web2", "restarted"), ("web1", "restarted"), ("web1", "paused"), ("web1", "suspended")],
)
def test_unfinished_vm_is_not_started(world, name, state):
    """If it were started, the task that began to create it could never complete it. Only its settings, not the lists of
    VMs, show that it is unfinished.
    """
    vmid = {"web1": 100, "web2": 101}[name]
    _left_unfinished(world, vmid)
    rejected(world, name, str(vmid), "has not finished", "task that started to create it", name=name, state=state)
    assert not do(world, name=name, state="stopped").failed
    finished = done(world, name=name, state="started", clone={"source": "tmpl"})
    assert [vm["id"] for vm in finished.vms] == [str(vmid)]


@pytest.mark.parametrize("state", ["present", "started", "absent"])
@pytest.mark.parametrize("origin", [{"clone": {"source": "tmpl"}}, {"disks": [{"size": "1G"}]}], ids=["clone", "disks"])
def test_unfinished_vm_of_the_name_has_another_id(world, state, origin):
    _left_unfinished(world, 101)
    words = ("web2", "id 150", "VM 101", "interrupted", "id: '101'", "state: absent")
    rejected(world, *words, name="web2", id="150", state=state, **origin)
    finished = do(world, name="web2", id="101", clone={"source": "tmpl"})
    assert [vm["id"] for vm in finished.vms] == ["101"], finished.msg
    rejected(world, "web2", "no VM with ID 150", "has another", name="web2", id="150", **origin)


_ALL = {
    *("VM.Audit", "VM.Allocate", "VM.Clone", "VM.PowerMgmt", "VM.Snapshot", "VM.Migrate", "VM.Config.Disk"),
    *("VM.Config.CDROM", "VM.Config.CPU", "VM.Config.Memory", "VM.Config.Network", "VM.Config.HWType"),
    *("VM.Config.Options", "VM.Config.Cloudinit", "Datastore.AllocateSpace", "Datastore.Audit", "Pool.Audit"),
    *("SDN.Use", "Sys.Audit"),
}


@pytest.mark.parametrize("key", ["args", "affinity", "hookscript", "hugepages", "ivshmem", "vmgenid"])
def test_option_for_root_alone_is_found_before_the_first_write(world, key):
    text = {"hugepages": "2", "vmgenid": "0", "ivshmem": "size=1", "hookscript": "local:snippets/x.sh"}
    requested = {"name": "web2", "memory": "4G", "native": {key: text.get(key, "1")}}
    rejected(world, "web2", key, "root@pam", **requested)


def test_no_quorum_is_found_before_the_first_write(world):
    for name in ("pve2", "pve3"):
        behind.node(world, name, online=False)
    rejected(world, "web1", "no quorum", "pvecm status", name="web1", memory="4G")


@pytest.mark.parametrize(
    ("requested", "words"),
    [
        ({"cpu": "hosst"}, ("cpu", "'hosst'", "host")),
        ({"boot": "order=scsi9"}, ("boot", "'scsi9'", "scsi0")),
        ({"boot": "order=scsi0;net7"}, ("boot", "'net7'", "net0")),
        ({"scsihw": "virtio"}, ("scsihw", "'virtio'", "virtio-scsi-pci")),
        ({"kvm": "maybe"}, ("kvm", "'maybe'", "boolean")),
        ({"balloon": "-1"}, ("balloon", "'-1'", "at least 0")),
        ({"agent": "enabled=1,type=usb"}, ("agent", "'type=usb'", "virtio, isa")),
        ({"scsi0": "cache=on"}, ("scsi0", "'cache=on'", "writeback")),
        ({"net0": "firewall=2"}, ("net0", "'firewall=2'", "0 or 1")),
        ({"hotplug": "disk,ram"}, ("hotplug", "'ram'", "memory")),
        ({"vga": "type=matrox"}, ("vga", "'type=matrox'", "std")),
        ({"cpu": "host,flags=foo"}, ("cpu", "'flags=foo'", "+FLAG")),
        ({"cpu": "host,phys-bits=7"}, ("cpu", "'phys-bits=7'", "8 to 64")),
        ({"cpu": "host,foo=1"}, ("cpu", "'foo'", "cputype, flags")),
        ({"cpu": "custom-x"}, ("cpu", "'custom-x'", "custom ones begin with custom-")),
        ({"machine": "foo"}, ("machine", "'type=foo'", "pc-q35-9.0")),
        ({"machine": "pc-q35-99"}, ("machine", "'type=pc-q35-99'", "q35")),
        ({"machine": "q35,viommu=foo"}, ("machine", "'viommu=foo'", "intel, virtio")),
        ({"smbios1": "uuid=xxx"}, ("smbios1", "'uuid=xxx'", "a UUID")),
        ({"smbios1": "foo=2"}, ("smbios1", "'foo'", "manufacturer")),
        ({"smbios1": "manufacturer=a b"}, ("smbios1", "'manufacturer=a b'", "base64")),
    ],
)
@pytest.mark.parametrize("name", ["web2", "web3"])
def test_native_value_that_the_server_rejects_is_found_before_the_first_write(world, name, requested, words):
    new = {} if name == "web2" else {"disks": [{"size": "1G"}], "node": "pve1"}
    rejected(world, name, "native", *words, name=name, native=requested, memory="4G", **new)


@pytest.mark.parametrize(
    ("requested", "free"),
    [
        ({"name": "web2", "disks": [{"slot": "scsi1", "size": "30G"}]}, "20G"),
        ({"name": ["a1", "a2"], "node": "pve2", "disks": [{"size": "12G"}]}, "20G"),
        ({"name": "web3", "clone": {"source": "web2"}}, "20G"),
    ],
)
def test_disk_that_does_not_fit_is_found_before_the_first_write(world, requested, free):
    world.storages.add(Storage("thick", "lvm", frozenset({"images"}), total=20 * GIB))
    names = requested["name"] if isinstance(requested["name"], list) else [requested["name"]]
    rejected(world, names[-1], "'thick'", f"{free} free", "disks", storage="thick", **requested)


def test_storage_that_is_full_is_found_before_the_first_write(world):
    world.faults.full_storages.add("local-lvm")
    rejected(world, "web2", "'local-lvm'", "0B free", name="web2", disks=[{"slot": "scsi1", "size": "1G"}])
    assert not do(world, name="web2", memory="4G").failed


def test_overprovisioned_thin_storage_is_a_warning(world):
    world.storages.get("local-lvm").total = 40 * GIB
    outcome = done(world, name="web2", disks=[{"slot": "scsi1", "size": "30G"}])
    assert [text for text in outcome.warnings if "8G free" in text and "over-provisioned" in text]


def test_vm_with_devices_of_its_node_is_not_moved(world):
    behind.edit(world, 101, hostpci0="0000:01:00.0")
    rejected(world, "web2", "hostpci0", "pve3", name="web2", node="pve3")


def test_vm_on_a_bridge_that_the_account_does_not_see_is_started(world):
    """A start needs no privilege on bridges; the node lists only those with a privilege."""
    behind.edit(world, 101, net1="virtio=BC:24:11:00:00:09,bridge=vmbr1")
    api = account(world, ("/", _ALL - {"SDN.Use"}), ("/sdn/zones/localnetwork/vmbr0", {"SDN.Use"}))
    done(world, api=api, name="web2", state="started")


@pytest.mark.parametrize(
    "requested", [{"name": "web2", "state": "started"}, {"name": "web3", "disks": [{"size": "1G"}]}]
)
def test_nic_with_a_vlan_on_a_bridge_without_port_is_found_before_the_first_write(world, requested):
    world.cluster.bridges_without_port.add("vmbr1")
    behind.edit(world, 101, net1="virtio=BC:24:11:00:00:09,bridge=vmbr1,tag=5")
    new = {"networks": [{"source": "vmbr1", "vlan": 5}], "node": "pve1"} if requested["name"] == "web3" else {}
    words = ("bridge 'vmbr1'", "has no port", "VLAN 5", "VLAN aware")
    rejected(world, requested["name"], *words, **requested, **new)


def test_snapshot_on_a_storage_without_snapshots_is_found_before_the_first_write(world):
    assert do(world, name="web2", disks=[{"slot": "scsi1", "size": "1G", "storage": "local", "format": "raw"}]).changed
    rejected(world, "storages with snapshots", run=do_snapshot, name="web2", snapshot="s1")


@pytest.mark.parametrize("source", ["web1", "web2"])
def test_linked_clone_of_a_vm_that_is_no_template_names_both_ways(world, source):
    words = (
        "cannot be cloned this way. Set linked: false, or clone a template (template: true)",
        "A suspended VM must",
    )
    rejected(world, f"web3: '{source}' is", *words, name="web3", clone={"source": source, "linked": True})


def test_running_vm_with_a_tpm_is_not_cloned(world):
    assert do(world, name="web2", tpm=True).changed
    assert do(world, name="web2", state="started").changed
    rejected(world, "web3", "'web2'", "TPM", "Stop it first", name="web3", clone={"source": "web2"})


WITH_ISO, WITH_SEED = {"iso": "local:iso/debian.iso"}, {"cloud_init": {"user": "me"}}
WITH_KEYS, WITHOUT_KEYS = ({"firmware": "uefi", "secure_boot": has_keys} for has_keys in (True, False))
BIOS_AGAIN = {"firmware": "bios"}


def _run_tasks(world, *tasks):
    for options in tasks:
        outcome = do(world, name="web2", **options)
        assert outcome.changed and not outcome.failed, outcome.msg


@pytest.mark.parametrize(
    ("tasks", "requested", "words"),
    [
        ([WITH_ISO], {"disks": [{"slot": "ide2", "size": "1G"}]}, ("ide2", "an optical drive", "another slot")),
        ([WITH_SEED], {"disks": [{"slot": "ide0", "size": "1G"}]}, ("ide0", "the drive of cloud-init", "another slot")),
        (
            [],
            {"disks": [{"slot": "scsi1", "size": "1G", "format": "qcow2"}]},
            ("scsi1", "'qcow2'", "'local-lvm'", "no files", "Remove the format"),
        ),
        ([], {"secure_boot": True}, ("secure_boot needs UEFI", "Set firmware: uefi")),
        ([WITHOUT_KEYS], {"secure_boot": True}, ("secure_boot", "EFI disk")),
        ([WITHOUT_KEYS, BIOS_AGAIN], WITH_KEYS, ("secure_boot", "without the keys", "EFI disk")),
        ([WITH_KEYS, BIOS_AGAIN], WITHOUT_KEYS, ("secure_boot", "with the keys", "EFI disk")),
        ([{"state": "started"}], {"template": True, "allow_restart": True}, ("a template", "Set state: stopped")),
        ([], {"native": {"net7": "rate=5"}}, ("the VM has no net7", "networks")),
        ([], {"native": {"name": "web9"}}, ("'name'", "the option name", "allow_rename: true")),
        ([], {"native": {"vmgenid": "1"}}, ("vmgenid", "UUID", "or 0")),
        ([], {"native": {"vmgenid": True}}, ("vmgenid", "UUID", "or 0")),
    ],
)
def test_impossible_changes_are_rejected(world, tasks, requested, words):
    _run_tasks(world, *tasks)
    rejected(world, "web2", *words, name="web2", **requested)


@pytest.mark.parametrize("origin", [{}, {"image": {"source": "local:import/x.qcow2"}}], ids=["nothing", "an image"])
def test_format_of_a_new_vms_disk(world, origin):
    requested = {"name": "web3", "node": "pve1", **origin, "disks": [{"size": "4G", "format": "qcow2"}]}
    rejected(world, "web3", "scsi0", "'qcow2'", "'local-lvm'", "no files", **requested)
    for _run in range(2):
        outcome = done(world, **requested, storage="local")
    assert not outcome.changed


def test_format_of_an_existing_volume(world):
    _run_tasks(world, {"disks": [{"slot": "scsi1", "size": "1G"}]})
    volume = world.cluster.machines[101].config.current["scsi1"].partition(",")[0]
    _run_tasks(world, {"disks": [{"slot": "scsi1", "state": "absent"}]})
    requested = {"slot": "scsi2", "source": volume}
    rejected(world, "web2", "scsi2", volume, "raw", name="web2", disks=[{**requested, "format": "qcow2"}])
    _run_tasks(world, {"disks": [{**requested, "format": "raw"}]})


@pytest.mark.parametrize("keys", [{}, {"secure_boot": True}])
def test_uefi_is_set_again_with_the_existing_keys(world, keys):
    _run_tasks(world, WITH_KEYS, BIOS_AGAIN, {"firmware": "uefi", **keys})


def test_disk_that_waits_for_the_next_start_is_grown_after_it(world):
    _run_tasks(world, {"state": "started"}, {"disks": [{"slot": "sata0", "size": "1G"}]})
    larger = {"disks": [{"slot": "sata0", "size": "2G"}]}
    rejected(world, "web2", "disks.sata0.size", "allow_restart", name="web2", **larger)
    _run_tasks(world, {**larger, "allow_restart": True})
    config = world.cluster.machines[101].config
    assert "size=2G" in config.current["sata0"]
    assert config.pending == {}
    assert world.cluster.machines[101].running


def test_name_of_a_disks_owner_is_read_from_its_node(world):
    """The cluster's list may be from a moment in which a new VM had no name yet."""
    assert do(world, name="new1", node="pve3", storage="local-lvm", disks=[{"size": "1G"}]).changed
    vmid, made = max(world.cluster.machines.items())
    volume = made.config.next_start()["scsi0"].split(",")[0]
    behind.edit(world, vmid, name=None)
    world.statistics.renew()
    world.faults.statistics_frozen = True
    behind.edit(world, vmid, name="new1")
    rejected(world, "web2", "'new1'", "Detach it there", name="web2", disks=[{"slot": "scsi1", "source": volume}])


def test_trunk_needs_the_privilege_on_each_of_its_vlans(world):
    world.cluster.vlan_aware.add("vmbr1")
    vlans = [(f"/sdn/zones/localnetwork/vmbr1/{vlan}", {"SDN.Use"}) for vlan in (6, 7)]
    api = account(world, ("/", _ALL - {"SDN.Use"}), *vlans)
    nic, missing = {"source": "vmbr1", "vlan": 6}, "SDN.Use on /sdn/zones/localnetwork/vmbr1/8"
    rejected(world, "web2", missing, api=api, name="web2", networks=[{}, {**nic, "trunk": ["6-8"]}])
    done(world, api=api, name="web2", networks=[{}, {**nic, "trunk": ["6-7"]}])


@pytest.mark.parametrize(
    ("lacks", "path", "requested"),
    [
        ("VM.Config.Memory", "/vms/101", {"name": "web2", "memory": "4G"}),
        ("SDN.Use", "/sdn/zones/localnetwork/vmbr1", {"name": "web2", "networks": [{"source": "vmbr1"}]}),
        (
            "Datastore.AllocateSpace",
            "/storage/zfs",
            {"name": "web2", "storage": "zfs", "disks": [{"slot": "scsi1", "size": "1G"}]},
        ),
        ("VM.Allocate", "/vms/102", {"name": "web3", "node": "pve1", "disks": [{"size": "1G"}]}),
        ("VM.Clone", "/vms/9000", {"name": "web3", "clone": {"source": "tmpl"}}),
        ("Pool.Allocate", "/pool/prod", {"name": "web2", "pool": "prod"}),
        ("Sys.Modify", "/", {"name": "web2", "native": {"startup": "order=1"}}),
    ],
)
def test_missing_privilege_is_found_before_the_first_write(world, lacks, path, requested):
    api = account(world, ("/", _ALL - {lacks}))
    rejected(world, requested["name"], "ci@pve!t", f"{lacks} on {path}", api=api, **requested)
