# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM of the real Vagrant and libvirt after what others did: cells of the table in suite/after_others.py."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    ABSENT,
    RUNNING,
    STOPPED,
    SUSPENDED,
    UNKNOWN,
)

from platforms.vagrant import real
from platforms.vagrant.test_destroyed import MADE, Run
from platforms.vagrant.test_life import NAME

pytestmark = pytest.mark.full


@pytest.fixture
def run(box, tmp_path, monkeypatch):
    with real.Vagrant(tmp_path, "pvv-elsewhere", box) as found:
        found.use(monkeypatch)
        yield Run(found, tmp_path)


def _rejected(run, *texts, **options):
    for check in (True, False):
        answer = run(check=check, **options)
        print(answer.msg)
        assert (answer.failed, answer.changed) == (True, False)
        assert [text for text in texts if text not in answer.msg] == [], answer.msg


def test_vm_after_what_others_did(run, monkeypatch):
    created = run(**MADE)
    assert not created.failed, created.msg
    identifier, folder = run.id(), next(run.found.project.glob(".vagrant/machines/*/libvirt"))
    with monkeypatch.context() as other:
        other.setenv("LIBVIRT_DEFAULT_URI", "test:///default")
        assert run("vm_info").vms[0]["state"] == UNKNOWN
        _rejected(run, identifier, "qemu:///system", "test:///default", state="absent", stop_mode="force")
        _rejected(run, identifier, **MADE)
    assert (run.id(), run("vm_info").vms[0]["state"]) == (identifier, RUNNING)

    old = folder.parent / "virtualbox"
    old.mkdir()
    (old / "id").write_text("11111111-2222-3333-4444-555555555555", encoding="ascii")
    assert run("vm_info").vms[0]["state"] == UNKNOWN
    _rejected(run, str(old), str(folder), state="stopped")
    (old / "id").unlink()

    (disk,) = real._pool_folder().glob("pvv-elsewhere*")
    run.virsh("destroy", identifier)
    subprocess.run(["qemu-img", "amend", "-o", "compat=1.1", str(disk)], check=True)  # Else it holds no checkpoints.
    run.virsh("start", identifier)
    run.virsh("checkpoint-create-as", identifier, "theirs")
    _rejected(run, "checkpoint", state="absent", stop_mode="force")
    assert run("vm_info").vms[0]["state"] == RUNNING
    run.virsh("checkpoint-delete", identifier, "theirs")

    run.virsh("destroy", identifier)
    run.virsh("undefine", identifier)
    assert run("vm_info").vms[0]["state"] == STOPPED
    _rejected(run, str(disk), **MADE)
    for check in (True, False):
        done = run(state="absent", check=check)
        assert (done.failed, done.vm(NAME)["state"]) == (False, ABSENT), done.msg
        assert [one["path"] for one in done.vm(NAME)["kept"]] == [str(disk)]
    assert disk.exists()
    run.virsh("pool-refresh", real.POOL)
    run.virsh("vol-delete", str(disk))
    again = run(**MADE)
    assert (again.failed, again.vm(NAME)["state"]) == (False, RUNNING), again.msg


def _playbook(run, steps):
    """The playbook again, in check mode and for real: ``steps`` are all that it does."""
    for check in (True, False):
        answer = run(check=check, **MADE)
        assert (answer.failed, answer.vm(NAME)["state"]) == (False, RUNNING), answer.msg
        assert [one["verb"] for one in answer.vm(NAME)["steps"]] == steps


@pytest.mark.deep("test_vm_after_what_others_did")
def test_vm_that_others_gave_a_nic_saved_and_renamed(run):
    """Vagrant knows a VM by its id. A NIC that its Vagrantfile does not have is no setting of the VM."""
    created = run(**MADE)
    assert not created.failed, created.msg
    identifier = run.id()
    name = run.virsh("domname", identifier).strip()
    run.virsh("attach-interface", identifier, "network", real.NETWORK, "--config")
    (shown,) = run("vm_info").vms
    assert (shown["state"], shown["restart_required"]) == (RUNNING, [])
    _playbook(run, [])

    run.virsh("managedsave", identifier)
    assert run("vm_info").vms[0]["state"] == SUSPENDED
    _playbook(run, ["start"])

    guarded = "guarded-site-20260102-030405-abcd"
    assert not run("snapshot", snapshot=guarded).failed
    _rejected(run, "belongs to a guarded run", state="absent", stop_mode="force")
    run.virsh("snapshot-delete", identifier, guarded)
    lost = run("snapshot", snapshot=guarded, state="restored")
    assert (lost.failed, f"has no snapshot '{guarded}'" in lost.msg) == (True, True), lost.msg
    _playbook(run, [])

    run.virsh("destroy", identifier)
    run.virsh("domrename", identifier, f"{name}-theirs")
    (shown,) = run("vm_info").vms
    assert (shown["state"], shown["id"]) == (STOPPED, identifier)
    _playbook(run, ["start"])
    (disk,) = real._pool_folder().glob(f"{name}*")
    for check in (True, False):
        done = run(state="absent", stop_mode="force", check=check)
        assert (done.failed, done.vm(NAME)["state"]) == (False, ABSENT), done.msg
        assert [one["path"] for one in done.vm(NAME)["kept"]] == [str(disk)]
    assert disk.exists()
