# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest that hangs is cut off: by the tool of its provider, or with a word about what else can be done."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant import driver
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.errors import Unsupported
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import RUNNING, Plan, Step, Vm

from suite.shim import Shim
from vagrant.played import Played, failed, told

SECONDS = 5


def test_by_the_tool_of_the_provider(with_virtualbox):
    played, box = with_virtualbox
    (made,) = played.make(state="started").result["vms"]
    played.vagrant.change(guests={"web": "hangs even when forced"})
    began = time.monotonic()
    _kill(played, made["id"])
    assert time.monotonic() - began < SECONDS
    assert box.state(made["id"]) == "poweroff"
    run = played.run(state="stopped", stop_mode="force")
    assert (run.result["vms"][0]["id"], run.result["changed"]) == (made["id"], False)


def _kill(played, identifier):
    params = {"project_dir": str(played.project), "vagrantfile": None, "managed": True, "executable": "vagrant"}
    driver.make_driver(params).apply([(Vm("web", identifier, RUNNING), (Step("kill"),))])


def test_a_gentle_stop_is_the_power_button(with_virtualbox):
    played, _box = with_virtualbox
    played.make(state="started")
    run = played.run(state="stopped", stop_timeout=1)
    assert "after stop it is still running" in run.result["msg"]
    assert "halt" not in played.called()
    assert ["controlvm", "acpipowerbutton"] in [list(call.argv[1:4:2]) for call in run.calls]


def test_where_there_is_no_tool_the_error_says_what_to_do(played, monkeypatch):
    (made,) = played.make(state="started").result["vms"]
    played.vagrant.change(guests={"web": "hangs even when forced"})
    monkeypatch.setattr(driver.by_status, "CUT", 1)
    monkeypatch.setenv("PATH", os.pathsep.join([str(played.programs), os.environ["PATH"]]))
    with pytest.raises(Unsupported, match=f"own program; it is {made['id']} there"):
        _kill(played, made["id"])


def test_vagrant_is_told_how_long_to_wait_for_a_guest(played):
    """By itself it waits for a minute, or as long as its file says."""
    told(played.make(state="started", native={"vm.graceful_halt_timeout": 30}))
    played.vagrant.change(guests={"web": "deaf"})
    began = time.monotonic()
    vm = told(played.run(state="stopped", stop_mode="graceful_then_force", stop_timeout=1))
    assert time.monotonic() - began < 30
    assert (vm["state"], played.words()) == ("stopped", {"project_web": "off"})


@pytest.mark.parametrize("native", [{}, {"host": "kvm2", "connect_via_ssh": True}])
def test_where_the_tool_is_missing_nothing_is_promised_that_it_alone_can_do(tmp_path, monkeypatch, native):
    """A guest that shall not be cut off, and a description; all else works through Vagrant."""
    played = Played(tmp_path, provider="libvirt")
    if not native:
        played.shim = Shim(tmp_path / "shim alone", ["vagrant"])
        monkeypatch.setenv("PATH", os.pathsep.join([os.path.dirname(sys.executable), _without_tools(tmp_path)]))
    for name, value in played.environment().items():
        monkeypatch.setenv(name, value)
    told(played.make(state="started", native=native))
    played.vagrant.change(guests={"web": "deaf"})
    for stop in ({"stop_mode": "graceful"}, {"stop_mode": "graceful", "check": True}):
        assert "graceful_then_force" in failed(played.run(state="stopped", **stop))
    assert "description" in failed(played.run(about="snapshot", snapshot="one", description="precious"))
    told(played.run(about="snapshot", snapshot="one"))
    assert told(played.run(about="snapshot", snapshot="one", state="restored"))["state"] == "running"
    assert played.words() == {"project_web": "running"}


def _without_tools(folder):
    """The host's programs, but those of the providers."""
    programs = folder / "programs"
    programs.mkdir()
    for file in Path("/usr/bin").iterdir():
        if file.name not in ("virsh", "VBoxManage", "vagrant"):
            (programs / file.name).symlink_to(file)
    return str(programs)


def test_what_the_tool_does_not_know_is_under_another_connection(with_virtualbox, monkeypatch):
    """As a machine of qemu:///session is for a virsh that asks qemu:///system."""
    played, _box = with_virtualbox
    told(played.make(state="started"))
    monkeypatch.setattr(driver.VagrantDriver, "host_of", lambda _self, _known: None)
    params = {"project_dir": str(played.project), "vagrantfile": None, "managed": True, "executable": "vagrant"}
    alone = driver.make_driver({**params, "provider": None, "native": None, "name": ["web"], "id": None})
    alone.traits()
    before = Vm("web", "any", RUNNING, config={"provider": "virtualbox"})
    for verb in ("stop", "snapshot", "restore"):
        with pytest.raises(Unsupported, match="another connection"):
            alone.preflight(Plan(before=before, after=before, segments=((Step(verb),),)))
