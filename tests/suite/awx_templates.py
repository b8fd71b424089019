# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Launch the job templates of a pattern as AWX does: the answers of their surveys are the variables of the job."""

from __future__ import annotations

import json

from collection_path import CHECKOUT
from gates.awx_rules import launched, untouched
from suite.awx_runner import run

_FOLDER = "extensions/patterns"


class Templates:
    """The job templates of one pattern. ``around``: the environment of the jobs, ``more``: arguments of ``run``."""

    def __init__(self, name, inventory, around, **more):
        text = (CHECKOUT / _FOLDER / name / "meta" / "pattern.json").read_text(encoding="utf-8")
        templates = json.loads(text)["aap_resources"]["controller_job_templates"]
        self._surveys = {one["playbook"]: one["survey"] for one in templates}
        self._name, self._inventory, self._around, self._more = name, inventory, around, more

    def launch(self, playbook, check=False, touched=False, cancelled=None, **answers):
        """Return the Job. ``touched``: all texts of the form are sent, those without an answer as empty texts.

        ``cancelled()``: whether somebody has cancelled the job.
        """
        survey = self._surveys[playbook]
        variables, errors = launched(survey, untouched(survey, answers) if touched else answers)
        assert errors == []
        path = f"{_FOLDER}/{self._name}/playbooks/{playbook}"
        more = {**self._more, "env": self._around, "cancelled": cancelled}
        return run(CHECKOUT, path, self._inventory, variables, check=check, **more)
