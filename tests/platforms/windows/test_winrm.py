# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task as users run it: ansible-playbook with its winrm connection and pywinrm, on a simulated Windows host."""

from __future__ import annotations

import pytest

from platforms.windows.sample import sample_host
from platforms.windows.winrm_play import winrm_play
from platforms.windows.winrm_server import WinRMServer, through

#: An action plugin with one option: it reads a VM, and sets its notes if they differ.
ACTION = """
from ansible_collections.polyvirt.core.plugins.module_utils._front.declaration import Declaration
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import Option
from ansible_collections.polyvirt.core.plugins.module_utils._ports.windows import ConnectionLost, connection
from ansible_collections.polyvirt.core.plugins.module_utils._ports.windows_request import Chain, Ref, call, properties
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.on_windows import OnWindows

def read():
    show = properties("Notes")
    get = call("Sample\\\\Get-SampleMachine", {"Name": ["alpha"]}, keep="vm", show=show)
    return get, connection().call([Chain("alpha", (get,))], modules=["Sample"])[0].answers[0].objects[0]["Notes"]

def answer(params, check):
    lost = 0
    while True:
        get, notes = read()
        if notes == params["notes"] or check:
            return {"changed": notes != params["notes"] or lost > 0, "lost": lost, "warnings": []}
        change = call("Sample\\\\Set-SampleMachine", {"Machine": Ref("vm"), "Notes": params["notes"]})
        try:
            connection().call([Chain("alpha", (get, change))])
            return {"changed": True, "lost": lost, "warnings": []}
        except ConnectionLost:
            lost += 1

class ActionModule(OnWindows):
    module = Declaration({"notes": Option()}, answer)
"""
NOTES = "2026-01-02T03:04:05 'q' `b $(throw) \"d\" \u00e4\u6f22"


@pytest.fixture
def play(tmp_path, ansible_playbook):
    """A function that sets the notes by a playbook on a WinRM server, and returns the task's result."""
    (tmp_path / "action_plugins").mkdir()
    (tmp_path / "action_plugins" / "sample_notes.py").write_text(ACTION, encoding="utf-8")
    run = winrm_play(tmp_path, ansible_playbook, {"done": ("sample_notes", {"notes": NOTES})})
    return lambda *words: run(*words)["done"]


@pytest.fixture
def host():
    return sample_host()


def _notes(host):
    return host.invoke.__self__.machines[0].get("Notes")


def test_check_mode_and_two_runs(play, host):
    with WinRMServer(through(host)) as server:
        assert play(server, "--check")["changed"] is True
        assert _notes(host) is None
        assert play(server)["changed"] is True
        assert _notes(host) == NOTES
        requests = len(host.requests)
        assert play(server)["changed"] is False
    assert len(host.requests) == requests + 1


@pytest.mark.parametrize(
    ("action", "carried_out"),
    [("Create", False), ("Command", False), ("Send", True), ("Receive", True), ("Signal", True)],
)
def test_connection_that_breaks_off_during_a_read(play, host, action, carried_out):
    with WinRMServer(through(host)) as server:
        server.lose(action, carried_out)
        assert play(server)["changed"] is True
    assert _notes(host) == NOTES


@pytest.mark.parametrize(
    "fault", [{"kind": "lose", "call": 2}, {"kind": "kill", "call": 2}, {"kind": "kill", "call": 3}]
)
def test_process_that_ends_during_a_change(play, host, fault):
    host.faults.plan(**fault)
    with WinRMServer(through(host)) as server:
        done = play(server)
    assert (done["changed"], done["lost"], _notes(host)) == (True, 1, NOTES)
