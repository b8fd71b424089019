# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs described as tasks on every platform: the task keeps a VM as it is, reports what others change, and creates the
same VM again.
"""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import ABSENT, PAUSED, STOPPED, SUSPENDED

from platforms.benches import DOUBLES, WITH_PAIRS
from suite.answer import Task
from suite.bench import NAME
from suite.described import assert_kept, changed_paths, different_paths, entry_of, is_named, reported_paths
from suite.pairs import generated
from suite.scenarios.options import has, settings

#: A task fails if a change of others cannot be undone.
_CANNOT_BE_UNDONE = ("shrunk", "is not possible", "cannot be removed", "already exists", "cannot be changed", "restart")
_FEW, _AT_MOST = 12, 500
#: The VM with every option.
VM = "pvc-described"


@pytest.mark.parametrize("bench", WITH_PAIRS)
def test_described_task_reports_what_others_change(ground, bench):
    @generated(bench.pair_count // _FEW, bench.cases, at_most=min(bench.at_most or _AT_MOST, _AT_MOST))
    def holds(case):
        with bench.opened(ground=ground) as platform:
            platform.prepare(case)
            before = {vm["id"]: vm for vm in platform.described()}
            assert_kept(platform, before.values())
            if platform.task(platform.asked(case)).failed:
                return
            for vm in platform.described():
                if vm["id"] in before:
                    _assert_reported(platform, before[vm["id"]], vm)

    holds()


def _assert_reported(platform, before, after):
    """Assert that the task that describes a VM as it was reports exactly what is different now."""
    unread = platform.unread_while_stopped if after["state"] == STOPPED else ()
    different = {path for path in changed_paths(before, after) if path.partition(".")[0] not in unread}
    changed = {path for path in different if not is_named(path, before["not_described"])}
    outcome = platform.run([{**entry_of(before["task"]), "allow_restart": True}], check=True)
    if outcome.failed:
        assert changed and any(word in outcome.msg for word in _CANNOT_BE_UNDONE), outcome.msg
    else:
        # It also removes what an added value would change together with another one.
        assert changed <= reported_paths(outcome) <= different_paths(before, after), before["task"]


@pytest.mark.parametrize("bench", DOUBLES)
def test_vm_that_is_created_again_has_the_same_settings(bench):
    @generated(bench.pair_count // _FEW, bench.cases, at_most=_AT_MOST)
    def holds(case):
        with bench.opened() as platform:
            platform.prepare(case)
            found = [vm for vm in platform.described() if vm["name"] == NAME]
            if not found or found[0]["state"] in (ABSENT, PAUSED, SUSPENDED) or found[0]["settings"].get("protection"):
                return
            # Proxmox VE deletes the disks of others with their VM.
            all_disks = {"delete_disks": "all"} if bench.name == "proxmox" else {}
            platform.done(("vm", {"state": "absent", "stop_mode": "force", **all_disks}))
            outcome = platform.run([entry_of(found[0]["task"])])
            assert not outcome.failed, (found[0]["task"], outcome.msg)
            (again,) = [vm for vm in platform.described() if vm["name"] == NAME]
            identities = [one for one in found[0]["not_described"] if one["kind"] == "identity"]
            different = {path for path in changed_paths(found[0], again) if not is_named(path, identities)}
            assert different == set(), found[0]["task"]

    holds()


@pytest.mark.core
def test_vm_with_every_option_is_described(platform, carry):
    platform.clean()
    usable = [one for one in settings(platform) if has(platform.traits(), one) and one not in platform.unusable]
    first = {option: values[0][0] for option, values in settings(platform).items() if option in usable}
    made = Task("make", {**platform.creation, "name": VM, **first})
    found = Task("describe", {"name": VM, "describe": True}, about="vm_info")
    answers = carry(platform, [made, found], [VM])
    assert not answers["make"].failed, answers["make"].msg
    (vm,) = answers["describe"].result["vms"]
    entry = entry_of(vm["task"])
    (check,) = carry(platform, [Task("check", entry, check=True)], [VM]).values()
    assert (check.failed, check.msg, check.diff) == (False, "", []), vm["task"]
    named = {one["path"].split(".")[0] for one in vm["not_described"]}
    # Keys of native are only described if a new VM has other values.
    without_value = {option for option in usable if not first[option]} | {"native"}
    assert set(usable) - set(entry) - named - without_value == set(), vm
