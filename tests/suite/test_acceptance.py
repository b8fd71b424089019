# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook ``acceptance``: what it reports of a platform that works, and of one that does not."""

from __future__ import annotations

import json

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import PAUSED

from platforms.known import PLATFORMS
from suite.by_ansible import run_for
from suite.test_role_vm import inventory_of

FULL = ("libvirt_test",)
_OTHERS = [pytest.param(name, marks=pytest.mark.full) for name in PLATFORMS if name not in FULL]
OTHER = "pvc-acceptance-other"


class Trial:
    """The playbook on the host of a platform."""

    def __init__(self, platform, shim, folder):
        self.platform, self.shim, self.folder = platform, shim, folder

    def run(self, code=0, **variables):
        """({step: its row}, output) of a run."""
        with inventory_of(self.platform, self.folder) as inventory, self.platform.hurried():
            given = ["-i", inventory, "polyvirt.core.acceptance", "-e", json.dumps({**self._variables(), **variables})]
            found, _changed, output = run_for(self.platform, self.shim, self.folder, given)
        assert found == code, output
        return {row["step"]: row for row in self.report()["rows"]}, output

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
    cpus = any(kind.split(".")[0] == "cpus" for kind in traits.fields)
    lacking = {
        ("take a snapshot", "change after the snapshot"): "snapshot" not in traits.verbs,
        ("restore the snapshot", "delete the snapshot"): "restore" not in traits.verbs,
        ("clone", "delete the clone"): "clone" not in traits.verbs,
        ("pause", "resume"): PAUSED not in traits.powers,
        ("change while it is off",): not cpus,
    }
    return {step for steps, is_lacking in lacking.items() if is_lacking for step in steps}


@pytest.mark.core
@pytest.mark.parametrize("platform_name", [*FULL, *_OTHERS], indirect=True, scope="session")
def test_platform_that_works_has_no_failed_step(platform, trial):
    platform.define(OTHER)
    before = platform.truth([OTHER])
    rows, output = trial.run()
    lacking = steps_without(platform.traits())
    assert {step for step, row in rows.items() if row["outcome"] == "not on this platform"} == lacking, output
    assert {step for step, row in rows.items() if row["outcome"] != "passed"} == lacking, output
    assert {"create and start", "change while it runs", "stop", "delete", "nothing is left"} <= set(rows)
    assert platform.truth([OTHER]) == before
    assert [name for name in platform.all_names() if "acceptance" in name] == [OTHER]
    assert trial.report()["passed"] is True
