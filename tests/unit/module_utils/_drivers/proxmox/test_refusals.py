# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would fail half-way, or never be reached, is refused before anything is written, in a check too."""

from __future__ import annotations

import pytest

from unit.module_utils._drivers.proxmox.simulated import do


def _refused(world, asked, *words):
    world.journal.clear()
    for check in (True, False):
        outcome = do(world, check=check, **asked)
        assert outcome.failed, (check, asked)
        for word in words:
            assert word in outcome.msg
    assert world.journal.writes() == []


def _left_unfinished(world, vmid):
    left = f'#<!-- polyvirt {{"id":"{vmid}","inputs":{{"clone":"9000"}},"unfinished":true,"v":1}} -->\n'
    world.cluster.machines[vmid].text = left + world.cluster.machines[vmid].text


@pytest.mark.parametrize(
    ("name", "state"),
    [("web2", "started"), ("web2", "restarted"), ("web1", "restarted"), ("web1", "paused"), ("web1", "suspended")],
)
def test_what_a_task_left_unfinished_is_not_made_to_run(world, name, state):
    """Else the task that began it would be refused for good; lists alone do not tell it."""
    vmid = {"web1": 100, "web2": 101}[name]
    _left_unfinished(world, vmid)
    _refused(world, {"name": name, "state": state}, name, str(vmid), "not finished", "task that began it")
    assert not do(world, name=name, state="stopped").failed
    finished = do(world, name=name, state="started", clone={"source": "tmpl"})
    assert not finished.failed, finished.msg
    assert [vm["id"] for vm in finished.vms] == [str(vmid)]


WITH_MEDIUM, WITH_SEED = {"iso": "local:iso/debian.iso"}, {"cloudinit": {"user": "me"}}
WITH_KEYS, WITHOUT_KEYS = ({"firmware": "uefi", "secure_boot": has_keys} for has_keys in (True, False))
BIOS_AGAIN = {"firmware": "bios"}


def _was_asked(world, *tasks):
    for options in tasks:
        outcome = do(world, name="web2", **options)
        assert outcome.changed and not outcome.failed, outcome.msg


@pytest.mark.parametrize(
    ("tasks", "asked", "words"),
    [
        ([WITH_MEDIUM], {"disks": [{"slot": "ide2", "size": "1G"}]}, ("ide2", "an optical drive", "another slot")),
        ([WITH_SEED], {"disks": [{"slot": "ide0", "size": "1G"}]}, ("ide0", "the drive of cloud-init", "another slot")),
        (
            [],
            {"disks": [{"slot": "scsi1", "size": "1G", "format": "qcow2"}]},
            ("scsi1", "'qcow2'", "'local-lvm'", "holds no files", "format out"),
        ),
        ([WITHOUT_KEYS], {"secure_boot": True}, ("secure_boot", "EFI disk")),
        ([WITHOUT_KEYS, BIOS_AGAIN], WITH_KEYS, ("secure_boot", "without its keys", "EFI disk")),
        ([WITH_KEYS, BIOS_AGAIN], WITHOUT_KEYS, ("secure_boot", "with its keys", "EFI disk")),
        ([{"state": "started"}], {"template": True, "allow_restart": True}, ("a template", "Set state: stopped")),
        (
            [],
            {"networks": [{"address": "10.0.0.9"}]},
            ("has no networks.0.address.", "ip_config of the option cloudinit"),
        ),
        ([], {"native": {"name": "web9"}}, ("'name'", "not renamed", "web interface")),
        ([], {"native": {"vmgenid": "1"}}, ("vmgenid", "UUID", "or 0")),
        ([], {"native": {"vmgenid": True}}, ("vmgenid", "UUID", "or 0")),
    ],
)
def test_what_could_never_be_reached(world, tasks, asked, words):
    _was_asked(world, *tasks)
    _refused(world, {"name": "web2", **asked}, "web2", *words)


@pytest.mark.parametrize("origin", [{}, {"image": {"source": "local:import/x.qcow2"}}], ids=["nothing", "an image"])
def test_the_format_of_a_new_machines_disk(world, origin):
    asked = {"name": "web3", "node": "pve1", **origin, "disks": [{"size": "4G", "format": "qcow2"}]}
    _refused(world, asked, "web3", "scsi0", "'qcow2'", "'local-lvm'", "holds no files")
    for _run in range(2):
        outcome = do(world, **asked, storage="local")
        assert not outcome.failed, outcome.msg
    assert not outcome.changed


def test_the_format_of_a_volume_that_is_there(world):
    _was_asked(world, {"disks": [{"slot": "scsi1", "size": "1G"}]})
    volume = world.cluster.machines[101].config.current["scsi1"].partition(",")[0]
    _was_asked(world, {"disks": [{"slot": "scsi1", "state": "absent"}]})
    asked = {"slot": "scsi2", "source": volume}
    _refused(world, {"name": "web2", "disks": [{**asked, "format": "qcow2"}]}, "web2", "scsi2", volume, "raw")
    _was_asked(world, {"disks": [{**asked, "format": "raw"}]})


@pytest.mark.parametrize("keys", [{}, {"secure_boot": True}])
def test_uefi_comes_back_with_the_keys_that_are_there(world, keys):
    _was_asked(world, WITH_KEYS, BIOS_AGAIN, {"firmware": "uefi", **keys})


def test_a_disk_that_waits_for_the_next_start_is_grown_after_it(world):
    _was_asked(world, {"state": "started"}, {"disks": [{"slot": "sata0", "size": "1G"}]})
    larger = {"disks": [{"slot": "sata0", "size": "2G"}]}
    _refused(world, {"name": "web2", **larger}, "web2", "disks.sata0.size", "allow_restart")
    _was_asked(world, {**larger, "allow_restart": True})
    config = world.cluster.machines[101].config
    assert "size=2G" in config.current["sata0"]
    assert config.pending == {}
    assert world.cluster.machines[101].running
