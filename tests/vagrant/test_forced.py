# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest that hangs is cut off: by the tool of its provider, or with a word about what else can be done."""

from __future__ import annotations

import os
import time

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant import driver
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.errors import Unsupported
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import RUNNING, Step, Vm

from vagrant.played import Played
from virtualbox import double

SECONDS = 5


@pytest.fixture
def with_virtualbox(tmp_path, monkeypatch):
    """A project whose machines are those of a VirtualBox that only remembers, too."""
    played = Played(tmp_path, provider="virtualbox")
    box = double.VirtualBox(tmp_path / "virtualbox")
    os.symlink(box.executable, played.programs / "VBoxManage")
    path = os.pathsep.join([str(played.programs), os.environ["PATH"]])
    for name, value in {**played.environment(), "PATH": path}.items():
        monkeypatch.setenv(name, value)
    return played, box


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
    monkeypatch.setattr(driver, "_CUT_ALONE", 1)
    monkeypatch.setenv("PATH", os.pathsep.join([str(played.programs), os.environ["PATH"]]))
    with pytest.raises(Unsupported, match=f"own program; it is {made['id']} there"):
        _kill(played, made["id"])
