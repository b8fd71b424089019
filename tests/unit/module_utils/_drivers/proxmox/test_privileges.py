# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The privileges of a task: the guide lists them, the server requires them, and check mode finds a missing one."""

from __future__ import annotations

import re
from itertools import product
from unittest.mock import patch

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.privileges import Permissions

from simulators.proxmox import worlds
from simulators.proxmox.access import ADMINISTRATOR
from unit.module_utils._drivers.proxmox.simulated import do, do_snapshot
from unit.module_utils._drivers.proxmox.tasks import account

ON_WEB2 = {"name": "web2"}
NEW = {"name": "new", "node": "pve1", "cpus": 1, "memory": "1G", "disks": [{"size": "1G"}], "networks": [{}]}
#: Held by every account of these tests.
READING = "VM.Audit Datastore.Audit"
_CLOUD_INIT = "VM.Config.Cloudinit|VM.Config.Network"
#: {first cell of the row: (privileges, tasks)}. ``a|b``: one of them is enough; ``a+b``: both.
ROWS = {
    "creating": (
        "VM.Allocate VM.Config.CPU VM.Config.Memory VM.Config.Network VM.Config.HWType"
        " VM.Config.Options Datastore.AllocateSpace SDN.Use",
        [NEW],
    ),
    "cloning, linked or not": (
        "VM.Clone VM.Allocate VM.Config.Options SDN.Use Datastore.AllocateSpace",
        [
            {"name": "new", "clone": {"source": "web2"}},
            {"name": "new", "clone": {"source": "tmpl", "linked": True}},
            {"name": "new", "clone": {"source": "tmpl"}, "storage": "nfs"},
        ],
    ),
    "`cpus`, `nested_virtualization`": (
        "VM.Config.CPU",
        [{**ON_WEB2, "cpus": 2}, {**ON_WEB2, "nested_virtualization": True}],
    ),
    "`memory`": ("VM.Config.Memory", [{**ON_WEB2, "memory": "1G"}]),
    "`networks`": (
        "VM.Config.Network SDN.Use",
        [
            {**ON_WEB2, "networks": [{}, {"source": "vmbr1"}]},
            {**ON_WEB2, "networks": [{"source": "vmbr1", "vlan": 5}]},
            {**ON_WEB2, "networks": [], "purge": ["networks"]},
        ],
    ),
    "`disks`, `tpm`": (
        "VM.Config.Disk Datastore.AllocateSpace",
        [
            {**ON_WEB2, "disks": [{"slot": "scsi1", "size": "1G"}]},
            {**ON_WEB2, "disks": [{"slot": "scsi0", "size": "40G"}]},
            {**ON_WEB2, "disks": [{"slot": "scsi0", "storage": "nfs"}]},
            {**ON_WEB2, "tpm": True},
        ],
    ),
    "`firmware: uefi`": ("VM.Config.Options VM.Config.Disk Datastore.AllocateSpace", [{**ON_WEB2, "firmware": "uefi"}]),
    "`display`": ("VM.Config.HWType", [{**ON_WEB2, "display": {"type": "none"}}]),
    "`description`, `tags`, `autostart`, `protection`, `os_type`": (
        "VM.Config.Options",
        [
            {**ON_WEB2, **option}
            for option in (
                {"description": "a"},
                {"tags": ["a"]},
                {"autostart": True},
                {"protection": True},
                {"os_type": "windows11"},
            )
        ],
    ),
    "`iso`": ("VM.Config.CDROM", [{**ON_WEB2, "iso": "local:iso/debian.iso"}, {**ON_WEB2, "iso": "debian.iso"}]),
    "an `iso` that is uploaded": ("VM.Config.CDROM Datastore.AllocateTemplate", [{**ON_WEB2, "iso": "new.iso"}]),
    "an `iso` that is downloaded": (
        "VM.Config.CDROM Datastore.AllocateTemplate Sys.AccessNetwork|Sys.Audit+Sys.Modify",
        [{**ON_WEB2, "iso": "https://example.com/new.iso"}],
    ),
    "`cloud_init`": (_CLOUD_INIT, [{"name": "seeded", "cloud_init": {"user": "me"}}]),
    "`cloud_init` of a running VM": ("VM.Config.Cloudinit", [{"name": "running", "cloud_init": {"user": "me"}}]),
    "`cloud_init` of a VM without a cloud-init drive, and `cloud_init.state: absent`": (
        "VM.Config.Cloudinit VM.Config.CDROM",
        [{**ON_WEB2, "cloud_init": {"user": "me"}}],
    ),
    "`native: {startup: ...}`": ("VM.Config.Options Sys.Modify", [{**ON_WEB2, "native": {"startup": "order=1"}}]),
    "`pool`": ("Pool.Audit Pool.Allocate VM.Allocate", [{**ON_WEB2, "pool": "prod"}]),
    "`template`": ("VM.Allocate", [{**ON_WEB2, "template": True}]),
    "another `node`": ("VM.Migrate", [{**ON_WEB2, "node": "pve1"}]),
    "starting, stopping, pausing": (
        "VM.PowerMgmt",
        [{**ON_WEB2, "state": "started"}, {"name": "web1", "state": "stopped"}, {"name": "web1", "state": "paused"}],
    ),
    "`suspended`": ("VM.PowerMgmt VM.Config.Disk Datastore.AllocateSpace", [{"name": "web1", "state": "suspended"}]),
    "taking and deleting snapshots": (
        "VM.Snapshot",
        [{"name": "web1", "snapshot": "s2"}, {"name": "web1", "snapshot": "s1", "state": "absent"}],
    ),
    "restoring snapshots": (
        "VM.Snapshot|VM.Snapshot.Rollback",
        [{"name": "web1", "snapshot": "s1", "state": "restored"}],
    ),
    "removing": ("VM.Allocate", [{**ON_WEB2, "state": "absent", "delete_disks": "all"}]),
}
#: Rows about privileges that are not required, or about several keys: {first cell: privileges}.
OTHER_ROWS = {
    "reading": READING,
    # test_unused_disks.py::test_account_without_a_privilege
    "`unused_disks`": "VM.Config.Disk Datastore.AllocateSpace",
    "addresses that the guest agent reports": "VM.GuestAgent.Audit VM.Monitor",
    # test_guest.py::test_missing_privilege_is_not_waited_for
    "`wait_for: cloud_init`, and the connection plugin `guest_agent`": (
        "VM.GuestAgent.Audit VM.GuestAgent.Unrestricted VM.Monitor"
    ),
    "custom CPU models, mapped PCI and USB devices, directories, `/dev/hwrng`": "Mapping.Use",
    # test_modules.py tests the clock.
    "`expired_for`, `polyvirt.core.reap`": "Sys.Audit",
    # test_architecture.py
    "`architecture`": "Sys.Audit",
    "`node: auto`": "Sys.Audit",
    # test_disk_that_grows_needs_its_privilege, test_appliances.py
    "creating with an `image` and the `size` or `slot` of its disk, or with an `appliance`": "VM.Config.Disk",
    # Each is tested with the images of a vendor's server: test_images.py.
    "an `image` that is downloaded": "Datastore.AllocateTemplate Sys.AccessNetwork|Sys.Audit+Sys.Modify",
    # test_appliances.py
    "an `appliance`": "Datastore.AllocateTemplate Datastore.Allocate",
    # test_backups.py::test_privileges
    "creating, protecting and deleting backups": (
        "VM.Backup Datastore.AllocateSpace Datastore.Allocate VM.GuestAgent.Audit VM.Monitor"
    ),
    "restoring backups": (
        "VM.Backup VM.Allocate VM.Config.Options VM.Config.Network VM.Config.Disk Datastore.AllocateSpace SDN.Use"
        " VM.Config.CDROM"
    ),
    # Tested with those of a creation.
    "documents of `cloud_init`": "VM.Config.CDROM Datastore.AllocateTemplate Datastore.Allocate",
}
#: Without the privilege that shows all bridges: nodes hide those on which an account has none.
ALL = worlds.cluster().access.roles[ADMINISTRATOR] - {"SDN.Audit", "Permissions.Modify"}


def _words(text):
    return re.split(r"[ |+]", text)


def _outcome(check, task, privileges):
    """The (Outcome, the number of writes) of a task by an account with these privileges."""
    world = worlds.with_cases()
    for vmid, name in ((103, "seeded"), (104, "running")):
        seed = {"name": name, "scsi0": "none,media=cdrom", "ide0": "local:iso/vm-103-cloudinit,media=cdrom"}
        worlds.add_machine(world, vmid, "pve1", seed, running=name == "running")
    world.schema.custom_cpu_models.add("a")
    assert not do_snapshot(world, name="web1", snapshot="s1").failed
    api = account(world, ("/", privileges))
    world.journal.clear()
    return (do_snapshot if "snapshot" in task else do)(world, check=check, api=api, **task), world.journal.writes()


def _assert_done(task, privileges):
    for check in (True, False):
        outcome, _writes = _outcome(check, task, privileges)
        assert (outcome.failed, outcome.changed) == (False, True), (check, outcome.msg)


def _assert_rejected(task, missing, by_server=True):
    """``by_server``: the server itself rejects the task, too, if the driver does not check before."""
    for check in (True, False):
        outcome, writes = _outcome(check, task, ALL - set(missing))
        assert outcome.failed and not writes, (check, missing)
        assert any(one in outcome.msg for one in missing), outcome.msg
    with patch.object(Permissions, "check", lambda *args, **more: None):
        failed = _outcome(False, task, ALL - set(missing))[0].failed
    assert failed or not by_server, f"the server does not ask for {missing}"


@pytest.mark.parametrize(
    ("cell", "task"), [pytest.param(cell, task, id=cell) for cell, (_needed, tasks) in ROWS.items() for task in tasks]
)
def test_task_needs_exactly_the_privileges_in_the_guide(tmp_path, cell, task):
    if task.get("iso") in ("debian.iso", "new.iso"):  # The storage has the first one.
        file = tmp_path / task["iso"]
        file.write_text("x")
        task = {**task, "iso": str(file)}
    alternatives = [word.split("|") for word in ROWS[cell][0].split()]
    for chosen in product(*alternatives):
        _assert_done(task, {*READING.split(), *_words("+".join(chosen))})
    for words in alternatives:
        _assert_rejected(task, _words("+".join(words)))


def test_documents_of_cloud_init_need_the_privileges_in_the_guide():
    task = {**NEW, "cloud_init": {"user_data": {"packages": ["nginx"]}}}
    needed = OTHER_ROWS["documents of `cloud_init`"].split()
    _assert_done(task, {*READING.split(), *ROWS["creating"][0].split(), *needed})
    for privilege in needed:
        # The last one is needed to delete the seed ISO.
        _assert_rejected(task, [privilege], by_server=privilege != "Datastore.Allocate")


def test_password_of_a_clone_without_a_drive_needs_the_privileges_of_the_drive():
    task = {"name": "new", "clone": {"source": "web2"}, "cloud_init": {"password": "secret"}}
    needed = ROWS["`cloud_init` of a VM without a cloud-init drive, and `cloud_init.state: absent`"][0].split()
    _assert_done(task, {*READING.split(), *ROWS["cloning, linked or not"][0].split(), *needed})
    for privilege in needed:
        _assert_rejected(task, [privilege])


@pytest.mark.parametrize("given", [{"disks": [{"size": "4G"}]}, {"image": {"slot": "virtio1"}}])
def test_disk_of_an_image_that_grows_or_has_a_slot_needs_a_privilege(given):
    image = {"source": "local:import/x.qcow2", **given.get("image", {})}
    task = {"name": "new", "node": "pve1", "networks": [{}], **given, "image": image}
    _assert_done(task, {*READING.split(), *ROWS["creating"][0].split(), "VM.Config.Disk"})
    _assert_rejected(task, ["VM.Config.Disk"])
    _assert_done({**task, "disks": None, "image": {"source": image["source"]}}, ALL - {"VM.Config.Disk"})


def test_architecture_needs_the_privilege_in_the_guide():
    task = {**NEW, "architecture": "amd64"}
    _assert_done(task, {*READING.split(), *ROWS["creating"][0].split(), "Sys.Audit"})
    _assert_rejected(task, ["Sys.Audit"])


@pytest.mark.parametrize(
    ("native", "path"),
    [
        ({"cpu": "custom-a"}, "/mapping/cpu/a"),
        ({"hostpci0": "mapping=gpu"}, "/mapping/pci/gpu"),
        ({"usb0": "mapping=key"}, "/mapping/usb/key"),
        ({"virtiofs0": "share"}, "/mapping/dir/share"),
        ({"rng0": "source=/dev/hwrng"}, "/mapping/hwrng"),
    ],
)
def test_mapped_resource_needs_its_privilege(native, path):
    _assert_done({**ON_WEB2, "native": native}, ALL)
    _assert_rejected({**ON_WEB2, "native": native}, ["Mapping.Use"])
    assert path in _outcome(True, {**ON_WEB2, "native": native}, ALL - {"Mapping.Use"})[0].msg


def test_table_of_the_guide_lists_the_privileges(checkout):
    text = (checkout / "docs/proxmox.md").read_text()
    table = text.partition("| for | privileges |\n|---|---|\n")[2].partition("\n\n")[0]
    found = {}
    for line in table.splitlines():
        cell, privileges = line.strip("| ").split(" | ")
        found[cell] = sorted(set(re.findall(r"`((?:VM|Datastore|SDN|Sys|Pool|Mapping)\.[\w.]+)`", privileges)))
    expected = {**{cell: needed for cell, (needed, _tasks) in ROWS.items()}, **OTHER_ROWS}
    assert found == {cell: sorted(_words(needed)) for cell, needed in expected.items()}
