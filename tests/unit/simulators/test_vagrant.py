# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double of Vagrant says what the real one said, and goes wrong when told to."""

from __future__ import annotations

import re

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.module_utils._tools import (
    vagrant,
    vagrant_folder,
    vagrant_output,
    vagrantfile,
)

from platforms.vagrant import double_project
from platforms.vagrant.session import PROJECT, transcript
from unit.module_utils._engine.world import FakeClock
from unit.module_utils._tools.vagrant_recordings import recorded, session_transcript

#: What libvirt is told about a new machine, line by line: nobody reads it.
_SETTINGS = re.compile(
    r"^TIME,web,ui,info,==> web: (?: -- .*|Creating domain with the following settings\.\.\.)\n", re.M
)


def project(provider, **machine):
    return {"machines": [{"name": "web", "provider": provider, "box": "polyvirt/fast", **machine}]}


@pytest.fixture(name="double")
def _double(tmp_path):
    """A project with one machine of libvirt."""
    found = double_project.Vagrant(tmp_path / "libvirt", "proj")
    found.write(vagrantfile.render(project("libvirt")))
    return found


def tool_of(played, **options):
    environment = played.environment()
    file = environment.pop("VAGRANT_VAGRANTFILE")
    return vagrant.Vagrant(Commands(), environment.pop("VAGRANT_CWD"), file, environment=environment,
                           executable=str(played.executable), **options)  # fmt: skip


def state(played, name="web"):
    return vagrant_output.statuses(vagrant_output.rows(played.call("status", "--machine-readable").stdout))[name].state


def dotfile(played):
    return str(played.project / ".vagrant")


def test_a_session_is_word_for_word_the_recorded_one(tmp_path):
    played = double_project.Vagrant(tmp_path, "pvv-session")
    played.write(vagrantfile.render(PROJECT))
    assert transcript(played.call, tmp_path) == _SETTINGS.sub("", session_transcript())


def test_it_is_a_program_like_the_real_one(double):
    tool = tool_of(double)
    assert tool.version() == (2, 3, 4)
    tool.run("up", "web")
    assert vagrant_output.statuses(tool.read("status"))["web"].state == "running"
    assert vagrant_output.ssh_configs(tool.read("ssh-config"))["web"].port == 22
    made = vagrant_folder.created_vms(files, dotfile(double))["web"]
    assert (made.provider, made.box, made.is_provisioned) == ("libvirt", ("polyvirt/fast", "0"), True)
    assert double.calls() == [["--version"], ["up", "web"], ["status"], ["ssh-config"]]
    with pytest.raises(vagrant.VagrantFailed) as caught:
        tool.run("up", "nosuch")
    assert vagrant.is_unknown_vm(caught.value)


def test_a_deaf_guest_is_cut_off_by_a_halt_that_was_meant_kindly(double):
    double.clock = FakeClock()
    double.write(vagrantfile.render(project("libvirt", native={"vm.graceful_halt_timeout": 100})))
    double.call("up")
    double.change(guests={"web": "deaf"})
    halted = double.call("halt")
    said = recorded("halt", says="Halting domain")
    assert (halted.returncode, halted.stdout) == (said.rc, said.stdout)
    assert double.clock.now() == 100
    assert state(double) == "shutoff"
