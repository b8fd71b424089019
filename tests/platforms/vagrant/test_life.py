# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One VM with the real Vagrant and libvirt, from creation to deletion: the suite has its double, but in deep runs."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import ABSENT, RUNNING, STOPPED

from platforms.vagrant import real
from suite.carry import carry_one
from suite.limits import scaled
from suite.shim import Shim

pytestmark = pytest.mark.full

NAME = "web"
READS = {"status", "--version", "ssh-config", "validate", "global-status"}


class Project:
    """The attributes of a platform that ``carry_one`` uses."""

    family, word, programs = "polyvirt.core.vagrant", "instance", None

    def __init__(self, found):
        self._found = found

    def options(self, _about):
        return {"project_dir": str(self._found.project)}


@pytest.fixture
def run(box, tmp_path, monkeypatch):
    """Runs one module in a project with the small box; returns its Answer."""
    with real.Vagrant(tmp_path, "pvv-life", box) as found:
        found.use(monkeypatch)
        shim = Shim(tmp_path / "shim", ["vagrant"])

        def carry(about="vm", check=False, **options):
            return carry_one(Project(found), shim, tmp_path, {"name": [NAME], **options}, about, check)

        yield carry


def _done(answer, changed, state):
    assert (answer.failed, answer.changed, answer.vm(NAME)["state"]) == (False, changed, state), answer.msg
    if not changed:
        assert [call.argv for call in answer.calls if call.argv[1] not in READS] == []
    return answer


def test_life_of_a_real_vm(run):
    made = {"box": real.BOX, "memory": "128M", "native": {"vm.boot_timeout": int(scaled(300))}, "state": "started"}
    predicted = _done(run(check=True, **made), True, RUNNING)
    created = _done(run(**made), True, RUNNING)
    assert predicted.diff == created.diff
    _done(run(**made), False, RUNNING)
    (vm,) = run("vm_info").vms
    assert (vm["state"], vm["memory_mib"], bool(vm["ssh"])) == (RUNNING, 128, True)
    stored = _done(run(memory="160M"), True, RUNNING)
    assert stored.vm(NAME)["restart_required"] == ["memory"]
    restarted = _done(run(memory="160M", allow_restart=True), True, RUNNING)
    assert restarted.vm(NAME)["restart_required"] == []
    _done(run("snapshot", snapshot="first"), True, RUNNING)
    assert [one["name"] for one in run("snapshot_info").vms[0]["snapshots"]] == ["first"]
    _done(run(state="stopped"), True, STOPPED)
    _done(run(state="absent"), True, ABSENT)
    assert run("vm_info").vms == []
