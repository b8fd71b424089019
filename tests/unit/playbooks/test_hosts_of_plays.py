# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts of plays are selected by variables of the inventory too, which Ansible does not read for ``hosts``."""

from __future__ import annotations

import json

import pytest

from suite.by_ansible import run_ansible

pytestmark = pytest.mark.full


@pytest.fixture(name="run")
def _run(tmp_path):
    def run(playbook, **variables):
        hosts = {"hosts": {"kvm1": {"ansible_connection": "local"}, "kvm2": {}}, "vars": variables}
        (tmp_path / "hosts.json").write_text(json.dumps({"all": hosts}), encoding="utf-8")
        return run_ansible(
            tmp_path, "ansible-playbook", ["-i", "hosts.json", f"polyvirt.core.{playbook}"], cwd=tmp_path
        )

    return run


def test_drift_report_of_hosts_in_the_inventory(run, tmp_path):
    done = run("drift_report", drift_report_hosts="kvm1", drift_report_folder=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "report.json").exists(), done.stdout


def test_guarded_hosts_in_the_inventory(run):
    done = run("guarded", guarded_hosts="kvm1", guarded_playbook="patch.yml")
    assert done.returncode == 2, done.stdout
    assert "TASK [Run the playbook" in done.stdout, done.stdout
