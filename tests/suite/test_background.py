# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks in the background: the example of the user guide, on libvirt's test driver."""

from __future__ import annotations

import json

import pytest

from suite.by_ansible import ansible_playbook

pytestmark = pytest.mark.full


def test_task_in_the_background_returns_its_result_later(tmp_path):
    options = {"platform": "libvirt", "options": {"uri": "test:///default"}, "name": "test", "state": "started"}
    result = tmp_path / "result.json"
    tasks = [
        {"polyvirt.core.vm": options, "async": 600, "poll": 0, "register": "begun"},
        {
            "ansible.builtin.async_status": {"jid": "{{ begun.ansible_job_id }}"},
            "register": "ended",
            "until": "ended is finished",
            "retries": 600,
            "delay": 1,
        },
        {"ansible.builtin.copy": {"content": "{{ ended | to_json }}", "dest": str(result), "mode": "0600"}},
    ]
    ansible_playbook(tmp_path, {"hosts": "all", "gather_facts": False, "tasks": tasks})
    ended = json.loads(result.read_text(encoding="utf-8"))
    assert (ended["changed"], ended["vms"][0]["name"], ended["vms"][0]["state"]) == (False, "test", "running")
