# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deletion or a first start that fails: what a user has attached is kept, and a running VM is running again."""

from __future__ import annotations

import pytest

from unit.module_utils._drivers.vagrant.test_foreign_disks import WithLibvirt, WithVirtualBox


@pytest.mark.parametrize("has_foreign_disk", [False, True])
@pytest.mark.parametrize("kind", [WithLibvirt, WithVirtualBox], ids=lambda kind: kind.provider)
def test_vm_that_vagrant_does_not_destroy_is_running_again(kind, has_foreign_disk, tmp_path):
    platform = kind(tmp_path)
    assert platform.world.create(state="started", provider=platform.provider).vm
    assert platform.world.run(state="stopped", stop_mode="force").vm
    if has_foreign_disk:
        platform.attach("precious.qcow2")
    before = platform.attached()
    assert platform.world.run(state="started").vm
    platform.world.vagrant.fails("destroy", "TriggersBadExitCodes", "A script exited with an unacceptable exit code 1.")
    failed = platform.world.run(state="absent", stop_mode="force")
    assert "A trigger in the Vagrantfile" in failed.error
    state = platform.world.run(about="vm_info").vm["state"]
    assert (failed.vms[0]["state"], state, platform.attached()) == ("running", "running", before)


def test_disk_that_a_user_attaches_during_a_first_start_that_fails_is_kept(tmp_path):
    """Vagrant itself would delete the new VM with everything that it has by then."""
    platform, attached = WithLibvirt(tmp_path), []
    platform.world.vagrant.change(guests={"web": "silent"})
    answered = platform.world.port.programs["vagrant"]

    def attach_meanwhile(argv, environment):
        answer = answered(argv, environment)
        if "up" in argv:
            attached.append(platform.attach("precious.qcow2"))
        return answer

    platform.world.port.programs["vagrant"] = attach_meanwhile
    failed = platform.world.create(state="started", provider="libvirt")
    assert "on_failure: keep" in failed.error
    assert ([path.exists() for path in attached], platform.world.states()) == ([True], {})
