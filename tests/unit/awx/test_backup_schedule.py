# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schedules of the guide launch the job templates of the pattern with answers that their surveys accept."""

from __future__ import annotations

import json

from collection_path import CHECKOUT
from gates.awx_rules import launched
from unit.awx.guide import data


def test_schedules_answer_the_surveys():
    pattern = json.loads((CHECKOUT / "extensions/patterns/backup/meta/pattern.json").read_text(encoding="utf-8"))
    templates = {one["name"]: one["survey"] for one in pattern["aap_resources"]["controller_job_templates"]}
    schedules = [task["awx.awx.schedule"] for task in data("awx.awx.schedule")]
    assert sorted(one["unified_job_template"] for one in schedules) == sorted(templates)
    for one in schedules:
        variables, errors = launched(templates[one["unified_job_template"]], one["extra_data"])
        assert (errors, {name: variables[name] for name in one["extra_data"]}) == ([], one["extra_data"])
