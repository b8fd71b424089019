# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules as processes on the double as a program, if a test needs processes; for others see the unit tests."""

from __future__ import annotations

import json
import os

import pytest

from platforms.vagrant import double_project, real
from platforms.virtualbox import double_registry as virtualbox_double
from suite import forked
from suite.carry import carry_one
from suite.shim import Shim


class Modules:
    """A platform for `suite.carry`: a project with VMs that all have one provider."""

    family, word = "polyvirt.core.vagrant", "instance"

    def __init__(self, folder, provider):
        boxes = [{"name": real.BOX, "provider": provider, "version": "0"}]
        self.vagrant = double_project.Vagrant(folder, usable=[provider], boxes=boxes)
        self.project, self.programs = self.vagrant.project, self.vagrant.bin
        self._folder, self._shim = folder, Shim(folder / "shim", ["vagrant", "VBoxManage"])

    def options(self, _about):
        return {"project_dir": str(self.project), "name": ["web"], "box": real.BOX}

    def run(self, **options):
        return carry_one(self, self._shim, self._folder, options)


@pytest.fixture
def modules(request, tmp_path, monkeypatch):
    provider = getattr(request, "param", "hyperv")
    monkeypatch.setenv("VAGRANT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VAGRANT_DEFAULT_PROVIDER", provider)
    return Modules(tmp_path, provider)


@pytest.mark.parametrize("modules", ["virtualbox"], indirect=True)
def test_hanging_vagrant_is_killed_and_the_provider_is_queried(modules, tmp_path, monkeypatch):
    box = virtualbox_double.VirtualBox(tmp_path / "virtualbox")
    (modules.programs / "VBoxManage").symlink_to(box.executable)
    # Vagrant starts VBoxManage, too.
    monkeypatch.setenv("PATH", os.pathsep.join([str(modules.programs), os.environ["PATH"]]))
    created = modules.run(state="started")
    modules.vagrant.change(guests={"web": "hangs even when forced"})
    stopped = modules.run(state="stopped", stop_mode="force")
    assert (stopped.rc, box.state(created.result["vms"][0]["id"])) == (0, "poweroff"), stopped.result
    assert ["hangs", "web"] in modules.vagrant.calls()
    # The hung Vagrant would still hold the lock of the VM.
    assert modules.vagrant.call("suspend").returncode == 0


def test_vagrant_of_a_killed_task_is_waited_for(modules):
    """Vagrant has its own session, so it continues when the task is killed."""
    killer = modules.programs / "killer"
    killer.write_text(f'#!/bin/sh\n[ "$1" = up ] && kill -9 $PPID\nexec {modules.vagrant.executable} "$@"\n')
    killer.chmod(0o755)
    modules.vagrant.change(seconds={"up": 2})
    assert modules.run(state="started", executable=str(killer)).rc == -9
    again = modules.run(state="started")
    assert again.rc == 0, again.result
    (machine,) = modules.vagrant.state()["machines"]
    assert (again.result["vms"][0]["id"], again.result["vms"][0]["state"]) == (machine, "running")


def test_task_variables_reach_vagrant_and_project_values_are_not_reported(modules, tmp_path, monkeypatch):
    monkeypatch.setenv("VAGRANT_DOTFILE_PATH", str(tmp_path / "elsewhere"))
    script = {"inline": "true", "env": {"TOKEN": "hush 1"}}
    asked = {"provisioners": [script], "environment": {"PROXY": "hush 2", "PLAIN": "1"}}
    run = modules.run(**asked, state="started", _ansible_diff=True, **forked.invocation())
    assert run.rc == 0, run.result
    assert "hush" not in json.dumps(run.result)
    (vm,) = run.result["vms"]
    # The id is not masked, although it contains a variable's value.
    assert (tmp_path / "elsewhere" / "machines" / "web" / "hyperv" / "id").read_text(encoding="ascii") == vm["id"]
    assert run.result["invocation"]["module_args"]["project_dir"] == str(modules.project)
