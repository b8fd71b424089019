# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a step destroys has to be in its plan: files that others put at a planned path, and VMs, stay."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.verbs import Permit
from ansible_collections.polyvirt.core.plugins.module_utils._ports import permits
from ansible_collections.polyvirt.core.plugins.module_utils._tools import vmctl

from unit.module_utils._drivers.vmm.in_process import DISKS, FOREIGN, InProcess, info, task, well
from unit.module_utils._drivers.vmm.test_locked_files import _AfterTheCheck

NAME = "web-disk0.qcow2"


@pytest.mark.parametrize("given", [{"state": "absent"}, {"disks": [{"size": "32M"}]}], ids=str)
def test_file_that_replaced_a_disk_after_the_plan_stays(host, given):
    """It was not compared with what other VMs hold. Check mode has foreseen the deletion of the former file."""
    well(host, **DISKS)
    path, text = host.storage / NAME, host.text()

    def replace():
        (host.storage / "new").write_bytes(path.read_bytes())
        os.replace(host.storage / "new", path)
        replaced.append(path.stat().st_ino)

    replaced = []
    assert task(host, check=True, **given).changed
    outcome = task(host, commands=_AfterTheCheck(host, lambda: replaced or replace()), **given)
    assert f"{path}: a step was about to" in outcome.msg
    assert (outcome.failed, outcome.changed, host.text()) == (True, False, text)
    assert (host.files(), path.stat().st_ino, host.states()) == ([NAME], replaced[0], {"web": "stopped"})
    well(host, **given)


@pytest.mark.parametrize("word", ["-s", "-i", "-b"])
def test_file_that_appears_when_vmctl_creates_a_disk_stays(host, word):
    """vmctl overwrites none, so it is not the incomplete copy of a call that has failed."""
    path = host.storage / NAME
    image = {"source": host.disk("image.qcow2"), "linked": word == "-b"}
    given = DISKS if word == "-s" else {"image": image}
    commands = InProcess(host, before={word: lambda: path.write_bytes(b"precious")})
    outcome = task(host, commands=commands, **given)
    assert outcome.failed and ("File exists" in outcome.msg or "destination image file" in outcome.msg), outcome.msg
    assert path.read_bytes() == b"precious"
    assert "web" not in host.text()
    path.unlink()
    well(host, **given)


def test_incomplete_copy_is_removed(host):
    given = {"image": {"source": host.disk("image.qcow2")}}
    host.fails("vmctl", "create", lost=True)
    outcome = task(host, **given)
    assert (outcome.failed, host.files()) == (True, ["image.qcow2"]), outcome.msg
    well(host, **given)


def test_disk_behind_a_link_grows(host):
    path, link = host.disk(), host.storage / "link.qcow2"
    link.symlink_to(path)
    well(host, disks=[{"source": str(link)}])
    well(host, disks=[{"source": str(link), "size": "32M"}])
    assert info(host, "web")["vms"][0]["disks"][0]["size"] == "32M"
    assert link.is_symlink()


def test_creation_that_vmd_does_not_start_is_undone(host):
    host.fails("vmctl", "start")
    outcome = task(host, state="started", **DISKS)
    assert (outcome.failed, outcome.changed) == (True, False), outcome.msg
    assert (host.states(), host.files()) == ({}, [])


def test_definition_that_appears_when_a_vm_is_powered_off_stays(host):
    """A VM that is not in vm.conf is gone once it is off; its plan does not delete a definition."""
    text = FOREIGN.format(disk=host.disk(), more="\tdisable\n")
    host.write("/etc/vm.conf", text)
    host.well("vmctl", "reload")
    host.well("vmctl", "start", "mail")
    host.write("/etc/vm.conf", "")
    commands = InProcess(host, before={"-f": lambda: host.write("/etc/vm.conf", text)})
    outcome = task(host, commands=commands, name=["mail"], state="absent", stop_mode="force")
    assert host.text() == text, outcome.msg


@pytest.mark.parametrize("words", [("reset", "all"), ("load", "/x"), ("receive", "web")], ids=" ".join)
def test_command_that_is_in_no_table_is_refused(words):
    with permits.granted(Permit(things=frozenset({("vm", "web")}))), pytest.raises(Refused, match=words[0]):
        vmctl.Vmctl(None)._run(*words)


def test_every_command_of_vmctl_is_in_the_table():
    source = Path(vmctl.__file__).read_text(encoding="utf-8")
    assert set(re.findall(r'_run\("([a-z]+)"', source)) == vmctl._CHANGES
