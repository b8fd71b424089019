# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guarded runs that meet each other, their own VM twice, or a playbook that deletes it."""

from __future__ import annotations

import json

import pytest

from suite.by_ansible import start_ansible
from suite.test_guarded import NAMES, PATCHED, WEB, Guarded, on_test_driver

pytestmark = pytest.mark.full


@pytest.fixture(name="guarded")
def _guarded(platform, shim, tmp_path):
    found = Guarded(platform, shim, tmp_path)
    found.prepare()
    found.write({"ansible_connection": "local"})
    return found


@on_test_driver
def test_of_two_runs_that_begin_together_at_most_one_goes_on(guarded):
    """Whichever is slower ends: at its start, or after its snapshots."""
    guarded.write_playbook([*guarded.tasks(), {"ansible.builtin.pause": {"seconds": 10}}])
    *invocation, around = guarded._invocation(("-i", "lab"), None, {})
    runs = [start_ansible(*invocation, around, cwd=guarded.folder) for _number in range(2)]
    outputs = [run.communicate()[0] for run in runs]
    codes = sorted(run.returncode for run in runs)
    assert codes in ([0, 2], [2, 2]), outputs
    assert guarded.snapshots() == [[], [], []], outputs
    assert guarded.values() == ([PATCHED, PATCHED, ""] if codes[0] == 0 else ["", "", ""]), outputs


@on_test_driver
def test_vm_that_two_sources_list_is_guarded_once(guarded):
    lab = json.loads((guarded.folder / "lab/2.polyvirt.yml").read_text(encoding="utf-8"))
    lab["sources"].append({**lab["sources"][0], "name": "again"})
    guarded._write("lab/2.polyvirt.yml", lab)
    first = f"{WEB}_{guarded.name}-hypervisor"
    code, output = guarded.run(guarded_hosts=f"{first},{WEB}_again", broken=[first])
    assert code == 2, output
    assert f"Restored: {first}, {WEB}_again (VM {WEB})." in output and "Kept" not in output, output


@on_test_driver
def test_playbook_cannot_delete_or_recreate_its_own_vm(guarded):
    vm = {"platform": "{{ polyvirt_platform }}", "name": "{{ polyvirt_name }}", "options": guarded.connection}
    before = [vm["id"] for vm in guarded.platform.truth(NAMES).values()]
    guarded.write_playbook([{"polyvirt.core.vm": {**vm, "state": "absent"}, "delegate_to": "hypervisor"}])
    code, output = guarded.run(guarded_hosts=WEB)
    assert (code, guarded.snapshots()) == (2, [[], [], []]), output
    assert "belongs to a guarded run" in output and f"Restored: {WEB}." in output, output
    assert [vm["id"] for vm in guarded.platform.truth(NAMES).values()] == before, output
