# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job that may only check: no play can change anything in it, whatever it says."""

from __future__ import annotations

import json

import pytest

from collection_path import collections_path
from suite.by_ansible import EACH_CORE, run_ansible

FILE = "polyvirt.core.vmm_marked_lines"
RESULTS = "{{ [{'host': 'localhost', 'result': found}] }}"


@pytest.mark.parametrize("core", EACH_CORE, ids=lambda path: path.name)
@pytest.mark.parametrize(("value", "is_limited"), [("true", True), ("false", False)])
def test_check_mode_cannot_be_left(core, tmp_path, value, is_limited):
    changing = {FILE: {"path": str(tmp_path / "file"), "name": "host", "lines": ["line"]}, "check_mode": False}
    tasks = [
        {**changing, "register": "found"},
        {**changing, "async": 60, "poll": 1, "register": "late", "ignore_errors": True},
        {"polyvirt.core.report": {"results": RESULTS, "folder": str(tmp_path / "report"), "formats": ["json"]}},
        {
            "ansible.builtin.copy": {"dest": str(tmp_path / "results"), "content": "{{ [found, late] | to_json }}"},
            "check_mode": False,
        },
    ]
    play = {"hosts": "localhost", "gather_facts": False, "connection": "local", "tasks": tasks}
    (tmp_path / "playbook.json").write_text(json.dumps([play]), encoding="utf-8")
    environment = {
        "ANSIBLE_PYTHON_INTERPRETER": str(core / "bin/python"),
        "ANSIBLE_COLLECTIONS_PATH": str(collections_path()),
    }
    words = ["-i", "localhost,", "-e", f"polyvirt_check_only={value}", tmp_path / "playbook.json"]
    done = run_ansible(tmp_path, "ansible-playbook", words, environment, core / "bin")
    assert done.returncode == 0, done.stdout + done.stderr
    found, late = json.loads((tmp_path / "results").read_text(encoding="utf-8"))
    assert (found["changed"], (tmp_path / "file").exists()) == (True, not is_limited)
    assert bool(late.get("failed")) == is_limited
    assert ("polyvirt_check_only is set" in str(late.get("msg"))) == is_limited
    assert (tmp_path / "report/report.json").exists()
