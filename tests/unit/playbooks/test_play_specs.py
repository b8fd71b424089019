# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible.builtin.validate_argument_spec accepts the specifications of all playbooks, with each ansible-core."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from collection_path import CHECKOUT
from suite.by_ansible import EACH_CORE, run_ansible

pytestmark = pytest.mark.full

_FILES = sorted(
    str(path)
    for pattern in ("playbooks/*.meta.yml", "extensions/patterns/*/playbooks/*.meta.yml")
    for path in CHECKOUT.glob(pattern)
)
_WITH_CPUS = [path for path in _FILES if "vm_cpus:" in Path(path).read_text(encoding="utf-8")]
_SPEC = "{{ (lookup('ansible.builtin.file', item) | from_yaml).argument_specs.values() | first }}"
_VALIDATE = {
    "ansible.builtin.validate_argument_spec": {"argument_spec": "{{ spec.options }}"},
    "loop": _FILES,
    "loop_control": {"label": "{{ item | basename }}"},
    "vars": {"spec": _SPEC},
    "register": "validated",
    "ignore_errors": True,
}
_REQUIRED = {
    "vm_name": "web1",
    "provision_group": "web",
    "agent_target": "web",
    "backup_hosts": "web",
    "restore_drill_hosts": "web",
    "guarded_hosts": "web",
    "guarded_playbook": "patch.yml",
    "describe_directory": "vms",
    "acceptance_platform": "libvirt",
    "drift_report_hosts": "web",
    "network_hypervisors": "obsd",
    "lab_hypervisor": "obsd",
    "provision_hypervisor": "hv1",
    "windows_iso": "/iso/server.iso",
    "windows_password": "Passw0rd",
    "windows_preset": "libvirt-windows-server-2025",
    "windows_server_iso": "/iso/server.iso",
    "windows_server_password": "Passw0rd",
}
_COUNT = {"ansible.builtin.debug": {"msg": "failed: {{ validated.results | select('failed') | length }}"}}


@pytest.mark.parametrize("core", EACH_CORE, ids=lambda path: path.name.rpartition("-")[0])
def test_specifications_are_those_of_ansible(core, tmp_path):
    (tmp_path / "site.yml").write_text(
        json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [_VALIDATE, _COUNT]}]), encoding="utf-8"
    )
    for cpus, failed in ((2, 0), ("two", len(_WITH_CPUS))):
        words = [
            "-i",
            "localhost,",
            "-c",
            "local",
            tmp_path / "site.yml",
            "-e",
            json.dumps({**_REQUIRED, "vm_cpus": cpus}),
        ]
        done = run_ansible(tmp_path, "ansible-playbook", words, programs=core / "bin")
        assert f"failed: {failed}" in done.stdout, done.stdout
