# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deletion that was approved deletes what the VM had then: all that is deleted with it is part of its plan."""

from __future__ import annotations

import pytest

from platforms.benches import DOUBLES
from platforms.proxmox.bench import OnProxmox
from suite.bench import NAME

#: A box and a distribution have one disk, and no other can be added.
_WITH_ONE_DISK = ("vagrant", "wsl")
_GONE = {"name": NAME, "state": "absent", "stop_mode": "force"}


def _deletion(bench):
    """The digest of the plan that deletes the VM, in check mode."""
    outcome = bench.run([_GONE], check=True)
    assert not outcome.failed and outcome.changed, outcome.msg
    (vm,) = outcome.vms
    return vm["plan"]


def _with_a_second_disk(bench):
    disks = [one for one in bench.small.get("disks") or bench.creation.get("disks") or [{}] if one is not None]
    return ("vm", {"name": NAME, "disks": [*disks, {"size": "1G"}], "stop_mode": "force", "allow_restart": True})


@pytest.mark.parametrize("kind", [param for param in DOUBLES if param.values[0].has_snapshots])
def test_deletion_is_another_plan_after_a_snapshot_was_taken(kind):
    with kind.opened() as bench:
        bench.done(("vm", {**bench.creation, **bench.small, "name": NAME, "state": "started"}))
        plans = [_deletion(bench)]
        assert plans == [_deletion(bench)]
        bench.done(("snapshot", {"snapshot": "one"}))
        plans.append(_deletion(bench))
        bench.done(("snapshot", {"snapshot": "two"}))
        plans.append(_deletion(bench))
        assert None not in plans and len(set(plans)) == 3
        bench.done(("vm", _GONE))


@pytest.mark.parametrize("kind", [param for param in DOUBLES if not param.values[0].name.startswith(_WITH_ONE_DISK)])
def test_deletion_is_another_plan_after_a_disk_was_added(kind):
    with kind.opened() as bench:
        bench.done(("vm", {**bench.creation, **bench.small, "name": NAME}))
        before = _deletion(bench)
        added = bench.run([_with_a_second_disk(bench)[1]])
        assert not added.failed, added.msg
        assert before not in (None, _deletion(bench))


def test_thirty_vms_are_approved_in_one_task():
    """Six are deleted, and 24 are cloned: all of that is shown, and passed on to the next job of a workflow."""
    with OnProxmox.opened() as bench:
        old = [{**bench.small, "name": f"old{number}", "tags": ["temporary"]} for number in range(6)]
        bench.done(*(("vm", one) for one in old))
        deleted = [{**_GONE, "name": one["name"]} for one in old]
        cloned = [
            {"name": f"new{number}", "clone": {"source": "tmpl"}, "cpus": 4, "memory": "4G", "state": "started"}
            for number in range(24)
        ]
        outcome = bench.run([*deleted, *cloned], check=True)
    passed_on = outcome.ansible_stats["data"]
    assert [one["plan"] for one in passed_on["polyvirt_approved_plans"]] == [outcome.plan] != [None]
    shown = {one["vm"]: one["lines"] for one in passed_on["polyvirt_plans"]}
    assert sorted(shown) == sorted(one["name"] for one in (*deleted, *cloned))
    assert any(line.startswith("  deletes local-lvm:") for line in shown["old0"])
    assert any(line.startswith("  clone of tmpl (") for line in shown["new0"]) and "  cpus: - -> 4" in shown["new0"]
