# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs run as in AWX: what they are given arrives, what they report is read back, and nothing else remains."""

from __future__ import annotations

from pathlib import Path

import yaml

from suite.awx_runner import inventory_of, run, workflow_variables

_SEEN = {
    "text": "{{ answer }}",
    "template": "{{ of_template }}",
    "replaced": "{{ replaced }}",
    "environment": "{{ lookup('ansible.builtin.env', 'OF_CREDENTIAL') }}",
    "host": "{{ inventory_hostname }}",
    "of_host": "{{ memory }}",
    "group": "{{ groups.web }}",
    "job": "{{ awx_job_id | string == lookup('ansible.builtin.env', 'JOB_ID') }}",
    "workflow": "{{ awx_workflow_job_id }}",
    "check": "{{ ansible_check_mode }}",
}
_PLAY = {
    "hosts": "web",
    "gather_facts": False,
    "connection": "local",
    "tasks": [{"ansible.builtin.set_stats": {"data": {"seen": _SEEN, "names": ["{{ inventory_hostname }}"]}}}],
}


def test_job_gets_what_awx_gives_and_its_artifacts_are_those_of_all_hosts(tmp_path):
    (tmp_path / "site.yml").write_text(yaml.safe_dump([_PLAY]), encoding="utf-8")
    job = run(
        tmp_path,
        "site.yml",
        inventory_of({"web1": {"memory": "2G"}, "db1": {}}, web=["web1"], db=["db1"]),
        {"answer": "{{ 1 + 1 }}", "replaced": "{{ 1 + 1 }}"},
        check=True,
        env={"OF_CREDENTIAL": "injected", "JOB_ID": "a credential cannot set it"},
        awx={"workflow": 7},
        template={"of_template": "{{ 1 + 1 }}", "replaced": "of the template"},
    )
    assert (job.rc, job.status, job.changed) == (0, "successful", 0), job.stdout
    assert job.artifacts.pop("seen") == {
        "text": "{{ 1 + 1 }}",
        "template": 2,
        "replaced": "{{ 1 + 1 }}",
        "environment": "injected",
        "host": "web1",
        "of_host": "2G",
        "group": ["web1"],
        "job": True,
        "workflow": 7,
        "check": True,
    }
    assert job.artifacts == {"names": ["web1"]}
    assert [one["ansible_stats"]["data"]["names"] for one in job.results("ansible.builtin.set_stats")] == [["web1"]]
    assert "PLAY RECAP" in job.stdout
    folder = Path(job.command[job.command.index("-i") + 1]).parents[1]
    assert folder.name.startswith("awx_") and not folder.exists()


def test_launch_variables_of_a_workflow_replace_artifacts():
    merged = workflow_variables({"plans": [1], "a": 1}, {"plans": [2]}, node={"plans": [], "n": 0}, launch={"a": 2})
    assert merged == {"n": 0, "plans": [2], "a": 2}
