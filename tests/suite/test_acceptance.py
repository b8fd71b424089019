# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook ``acceptance``: what it reports of a platform that works, and of one that does not."""

from __future__ import annotations

import json
import os
import shutil
import signal
from contextlib import contextmanager

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import PAUSED, RUNNING, STOPPED

from platforms.known import PLATFORMS
from suite.answer import Task
from suite.by_ansible import run_for, start_ansible
from suite.source_host import set_clock
from suite.test_role_vm import inventory_of
from unit.playbooks.recordings import planted_values, read_recording

FULL = ("libvirt_test",)
#: An API; the playbook is the same on all platforms, and each step is a task of the suite.
_IN_FULL = ("proxmox",)
_DEEP = pytest.mark.deep("the same on libvirt_test and proxmox")
_OTHERS = [
    pytest.param(name, marks=pytest.mark.full if name in _IN_FULL else _DEEP) for name in PLATFORMS if name not in FULL
]
OTHER, NEW = "pvc-acceptance-other", "pvc-acceptance-new"
#: A VM of somebody else that looks like one of an interrupted run, and has its fleet.
FLEET, LOOKALIKE = "polyvirt-acceptance", "polyvirt-acceptance-zzzzzzzz"
#: virsh, in which some commands do not work.
BROKEN = """#!/bin/sh
case " $* " in *" suspend "*|*snapshot-create*) echo "error: it does not work" >&2; exit 1 ;; esac
exec {virsh} "$@"
"""


class Trial:
    """The playbook on the host of a platform."""

    def __init__(self, platform, shim, folder):
        self.platform, self.shim, self.folder = platform, shim, folder

    def run(self, code=0, **variables):
        """({step: its row}, output) of a run."""
        with self._prepared(variables) as words:
            found, _changed, output = run_for(self.platform, self.shim, self.folder, words)
        assert found == code, output
        return self.rows(), output

    def watch(self, variables, at, action):
        """Run it, and call ``action(process)`` when it prints the text ``at``; returns the exit code."""
        around = self.shim.environment(programs=self.platform.programs)
        with self._prepared(variables) as words:
            process = start_ansible(self.folder, "ansible-playbook", words, around, cwd=self.folder)
            with process:
                for line in process.stdout:
                    if at in line:
                        action(process)
        return process.returncode

    def rows(self):
        return {row["step"]: row for row in self.report()["rows"]}

    @contextmanager
    def _prepared(self, variables):
        windows = getattr(getattr(self.platform, "host", None), "windows", None)
        if windows is not None:
            set_clock(windows)
        with inventory_of(self.platform, self.folder) as inventory, self.platform.hurried():
            yield ["-i", inventory, "polyvirt.core.acceptance", "-e", json.dumps({**self._variables(), **variables})]

    def report(self):
        return json.loads((self.folder / "acceptance.json").read_text(encoding="utf-8"))

    def _variables(self):
        return {
            "acceptance_platform": self.platform.traits().platform,
            "acceptance_options": self.platform.options("vm"),
            "acceptance_vm_options": self.platform.creation,
            "ansible_become": False,
        }


@pytest.fixture
def trial(platform, shim, tmp_path):
    platform.clean()
    shim.forget()
    return Trial(platform, shim, tmp_path)


def steps_without(traits):
    """Names of the steps that a platform does not have."""
    lacking = {
        ("take a snapshot", "change after the snapshot"): "snapshot" not in traits.verbs,
        ("restore the snapshot", "delete the snapshot"): "restore" not in traits.verbs,
        ("clone", "delete the clone"): "clone" not in traits.verbs,
        ("pause", "resume"): PAUSED not in traits.powers,
        ("change while it is off",): "memory" not in traits.fields,
    }
    return {step for steps, is_lacking in lacking.items() if is_lacking for step in steps}


@pytest.mark.parametrize("platform_name", [*FULL, *_OTHERS], indirect=True, scope="session")
def test_platform_that_works_has_no_failed_step(platform, trial):
    platform.bring({OTHER: STOPPED})
    before = platform.truth([OTHER])
    rows, output = trial.run(acceptance_record=True)
    lacking = steps_without(platform.traits())
    assert {step for step, row in rows.items() if row["outcome"] == "not on this platform"} == lacking, output
    assert {step for step, row in rows.items() if row["outcome"] != "passed"} == lacking, output
    assert {"create and start", "change while it runs", "stop", "delete", "nothing is left"} <= set(rows)
    assert platform.truth([OTHER]) == before
    assert [name for name in platform.all_names() if "acceptance" in name] == [OTHER]
    assert trial.report()["passed"] is True
    recorded = read_recording(trial.folder / "acceptance.tar")
    assert [line["step"] for line in recorded[2:]] == list(rows)[:-2]
    assert recorded[2]["run"]["vms"][0]["state"] == RUNNING
    assert planted_values(recorded, [OTHER, FLEET, str(trial.folder)]) == []


@pytest.mark.full
@pytest.mark.parametrize("platform_name", FULL, indirect=True, scope="session")
def test_steps_that_fail_are_named_and_what_others_do_is_no_failure(platform, trial, tmp_path):
    platform.define(OTHER)
    broken = tmp_path / "virsh-broken"
    broken.write_text(BROKEN.format(virsh=shutil.which("virsh")), encoding="utf-8")
    broken.chmod(0o755)
    variables = {"acceptance_options": {**platform.options("vm"), "executable": str(broken)}}
    code = trial.watch(variables, "TASK [Try: stop]", lambda _process: platform.define(NEW))
    rows = trial.rows()
    failed = {"pause", "take a snapshot"}
    untried = {"resume", "change after the snapshot", "restore the snapshot", "delete the snapshot"}
    assert code == 2
    assert {step for step, row in rows.items() if row["outcome"] == "failed"} == failed, rows
    assert {step for step, row in rows.items() if row["outcome"] == "not tried"} == untried, rows
    assert all("it does not work" in rows[step]["details"] for step in failed), rows
    assert rows["the rest of the host"]["outcome"] == "changed by others"
    assert f"VM {NEW}" in rows["the rest of the host"]["details"]
    assert OTHER not in rows["the rest of the host"]["details"]
    assert "it does not work" in (tmp_path / "acceptance.html").read_text(encoding="utf-8")
    assert {name for name in platform.all_names() if "acceptance" in name} == {NEW, OTHER}


@pytest.mark.full
@pytest.mark.parametrize("platform_name", FULL, indirect=True, scope="session")
def test_next_run_deletes_what_an_interrupted_one_has_left_and_no_vm_of_others(platform, trial, carry):
    platform.define(LOOKALIKE)
    try:
        (answer,) = carry(platform, [Task("fleet", {"name": [LOOKALIKE], "fleet": FLEET})], [LOOKALIKE]).values()
        assert not answer.failed, answer.msg
        trial.watch({}, "clone: run)", lambda process: os.killpg(process.pid, signal.SIGKILL))
        left = {name for name in platform.all_names() if FLEET in name}
        assert len(left) == 3, left
        assert not (trial.folder / "acceptance.json").exists()
        rows, output = trial.run()
        assert rows["nothing is left"]["outcome"] == "passed", output
        assert {name for name in platform.all_names() if FLEET in name} == {LOOKALIKE}
    finally:
        platform.virsh("undefine", LOOKALIKE)


@pytest.mark.full
@pytest.mark.parametrize("platform_name", FULL, indirect=True, scope="session")
def test_fleet_with_another_vm_fails_before_any_change(platform, trial, carry):
    platform.define(OTHER)
    carry(platform, [Task("fleet", {"name": [OTHER], "fleet": FLEET})], [OTHER])
    before = platform.truth([OTHER])
    with pytest.raises(AssertionError, match="this playbook did not create it"):
        trial.run()
    assert platform.truth([OTHER]) == before
    assert [name for name in platform.all_names() if "acceptance" in name] == [OTHER]
