# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM of the real Vagrant and libvirt after what others did: another connection, a checkpoint, an id, an undefine."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import ABSENT, RUNNING, STOPPED, UNKNOWN

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
