# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of leases and limits: VMs that nobody wanted to lose, or that nobody was permitted to create."""

from __future__ import annotations

from mutations.mutation import Mutation

_CORE = "tests/unit/module_utils/_core"
_LEASES, _LEASES_TESTS = "_core/leases.py", [f"{_CORE}/test_leases.py"]
_LIMITS, _LIMITS_TESTS = "_core/limits.py", ["tests/unit/module_utils/_engine/test_limits.py"]
_EVENTS = "_core/vm_events.py"
_SNAPSHOT_TESTS = [f"{_CORE}/test_plan_snapshot.py"]
_REAP_TESTS = ["tests/unit/plugin_utils/test_reap_decisions.py"]
_FLEET_TESTS = [f"{_CORE}/test_fleet.py"]
_MACHINES_TESTS = ["tests/unit/modules/test_machines.py"]
_AGAIN_TESTS = ["tests/unit/module_utils/_engine/test_expiry_read_again.py"]

MUTATIONS = (
    Mutation("same-text-moves-an-expiry", _LEASES, "found if is_same else asked", "asked", _LEASES_TESTS),
    Mutation("expiry-is-not-extended", _LEASES, "not found or extend", "not found", _LEASES_TESTS),
    Mutation("copy-of-a-user-expires", _LEASES,
             'vm.owned and now is not None and _has_passed(vm.config.get("expires"), now)',
             'now is not None and _has_passed(vm.config.get("expires"), now)', _LEASES_TESTS),
    Mutation("copy-of-a-user-is-ended", _LEASES, 'vm.config.get("expires") if vm.is_proven else None',
             'vm.config.get("expires")', _LEASES_TESTS),
    Mutation("vm-expires-a-second-early", _LEASES, "expires.at <= now", "expires.at - 1 <= now", _LEASES_TESTS),
    Mutation("snapshot-of-a-copied-vm-expires", "_core/snapshot_leases.py", 'found["id"] != vm_id', "False",
             [f"{_CORE}/test_snapshot_leases.py"]),
    Mutation("snapshot-that-was-extended-is-deleted", "_core/plan_snapshot.py",
             "snapshot_must_be_kept(vm, found[0], policy)", "False", _SNAPSHOT_TESTS),
    Mutation("expiry-of-the-vm-keeps-its-snapshots", "_core/plan.py",
             "task.request.snapshot is None and must_be_kept(task.vm, task.policy)",
             "must_be_kept(task.vm, task.policy)", _SNAPSHOT_TESTS),
    Mutation("expiry-of-an-existing-snapshot-is-not-stored", "_core/plan_snapshot.py", "expires == one.expires", "True",
             _SNAPSHOT_TESTS),
    Mutation("snapshots-of-a-deleted-vm-are-deleted-first", "plugins/plugin_utils/leases/decisions.py",
             'not _is_due(one, now, grace) and owner in (None, one["owner"])', 'owner in (None, one["owner"])',
             _REAP_TESTS),
    Mutation("snapshots-of-other-owners-are-deleted", "plugins/plugin_utils/leases/decisions.py",
             'not _is_due(one, now, grace) and owner in (None, one["owner"])', "not _is_due(one, now, grace)",
             _REAP_TESTS),
    Mutation("parent-snapshot-is-deleted-first", "plugins/plugin_utils/leases/decisions.py",
             'reversed(vm.get("snapshots") or ())', 'vm.get("snapshots") or ()', _REAP_TESTS),
    Mutation("grace-does-not-count", _LEASES, "now - policy.expired_for", "now", _LEASES_TESTS),
    Mutation("vm-from-the-future-is-ended", _LEASES, "created > now + CLOCK_TOLERANCE", "False", _LEASES_TESTS),
    Mutation("clock-of-the-host-does-not-count", _LEASES, "abs(host - controller) > CLOCK_TOLERANCE", "False",
             _LEASES_TESTS),
    Mutation("date-ends-at-its-beginning", _LEASES, "begin + _DAY", "begin", _LEASES_TESTS),
    Mutation("zones-have-the-other-sign", _LEASES, '-seconds_ahead if zone[0] == "-" else seconds_ahead',
             'seconds_ahead if zone[0] == "-" else -seconds_ahead', _LEASES_TESTS),
    Mutation("restored-mark-keeps-an-old-lease", "_core/mark.py", "key not in keys", "True", _LEASES_TESTS),
    Mutation("deleted-vm-makes-no-room", "_engine/limited.py", "usage.release(work.plan)", "pass", _LIMITS_TESTS),
    Mutation("shrunk-vm-makes-no-room", "_engine/limited.py",
             "work in growing or (work.plan.changed and work.plan.after.power == ABSENT)",
             "work.plan.changed and work.plan.after.power == ABSENT", _LIMITS_TESTS),
    Mutation("vm-that-moves-needs-no-room", "_core/limits.py::Usage",
             "self._group(plan.before) == self._group(plan.after)", "True", _LIMITS_TESTS),
    Mutation("drivers-of-one-host-have-a-limit-each", "_engine/limited.py", "find_places(_)", "pass", _LIMITS_TESTS),
    Mutation("unknown-size-is-within-a-limit", _LIMITS, "value is None", "False", _LIMITS_TESTS),
    Mutation("limit-is-one-too-high", _LIMITS, "used > limit", "used > limit + 1", _LIMITS_TESTS),
    Mutation("new-owner-needs-no-room", _LIMITS, '{"cpus", "memory", "disks.add", "disks.size", "owner", "fleet"}',
             '{"cpus", "memory", "disks.add", "disks.size"}', _LIMITS_TESTS),
    Mutation("mode-to-stop-expired-vms-is-ignored", "plugins/plugin_utils/leases/decisions.py",
             '{"stop_mode": stop_mode} if stop_mode else {}', "{}",
             ["tests/unit/plugin_utils/test_reap_decisions.py"]),
    Mutation("pruning-does-not-wait-for-the-expiry", "_core/fleet.py::may_be_pruned", "policy.expired_for is None",
             "True", _FLEET_TESTS),
    Mutation("pruning-has-no-grace", "_core/fleet.py::may_be_pruned", "now - policy.expired_for", "now", _FLEET_TESTS),
    Mutation("pruning-ignores-its-own-expiry", "_core/request.py",
             'given.pop("prune_expired_for", given.get("expired_for"))',
             '(given.pop("prune_expired_for", None), given.get("expired_for"))[1]', _MACHINES_TESTS),
    Mutation("pruned-vm-is-stopped-as-the-others", "_front/machines.py::_of_stop",
             '{"stop_mode": params["prune_stop_mode"]} if params.get("prune_stop_mode") else {}', "{}",
             _MACHINES_TESTS),
    Mutation("how-pruned-vms-are-stopped-is-ignored-without-prune", "_front/machines.py::_pruning",
             "NEEDS_PRUNE", "NEEDS_PRUNE[:1]", _MACHINES_TESTS),
    Mutation("expiry-that-was-extended-during-the-stop-does-not-count", "_engine/progress/sending.py",
             "progress.policy.expired_for is not None and is_deleting and has_waited", "False", _AGAIN_TESTS),
    Mutation("repeated-deletion-does-not-read-the-expiry", "_engine/progress/sending.py",
             "progress.done > 0 or progress.phase != READY", "progress.done > 0", _AGAIN_TESTS),
    Mutation("vm-that-was-extended-stays-off", "_engine/progress/power_back.py::ways_after_stop",
             "stops and verbs", "False", _AGAIN_TESTS),
    Mutation("extend-without-an-expiry-is-ignored", "_core/request.py::_check_extend",
             'given.get("extend") and given.get("expires") is None', "False", [f"{_CORE}/test_request.py"]),
    Mutation("all-snapshots-get-the-expiry-of-one", "_core/simulate.py::_edit_snapshot",
             "key in (one.id, one.name)", "True", _SNAPSHOT_TESTS),
    Mutation("same-text-moves-the-expiry-of-a-snapshot", "_core/plan_snapshot.py",
             "unmoved(one.expires, asked.expires, extend)", "asked.expires", _SNAPSHOT_TESTS),
    Mutation("snapshot-expires-with-its-vm", "_core/leases.py::snapshot_must_be_kept", "snapshot.expires",
             'vm.config.get("expires")', _SNAPSHOT_TESTS),
    Mutation("snapshot-from-the-future-is-deleted", "_core/leases.py::snapshot_must_be_kept", "snapshot.created",
             "None", _SNAPSHOT_TESTS),
    Mutation("new-snapshot-has-no-expiry", "_core/plan_snapshot.py", "asked.expires or NEVER_EXPIRES",
             "NEVER_EXPIRES", _SNAPSHOT_TESTS),
    Mutation("removed-expiry-of-a-snapshot-stays-recorded", "_core/snapshot_leases.py",
             "{} if value is None else {key: value}", "{key: value}", [f"{_CORE}/test_snapshot_leases.py"]),
    Mutation("expiry-of-another-snapshot-is-lost", "_core/snapshot_leases.py::with_expiry",
             "without(recorded, [key])", "{}", [f"{_CORE}/test_snapshot_leases.py"]),
    Mutation("expired-vm-is-reported-again-and-again", _EVENTS, "self._expired = keys", "pass",
             [f"{_CORE}/test_vm_events.py"]),
    Mutation("zone-that-no-clock-has", _LEASES, "hours > _FARTHEST_ZONE or minutes > 59", "False", _LEASES_TESTS),
    Mutation("inventory-file-that-is-missing-is-ignored", "plugins/plugin_utils/inventory/sources.py",
             'not os.path.exists(path)', "False", ["tests/unit/plugin_utils/test_inventory_sources.py"]),
    Mutation("team-with-a-space-is-another-team", "_core/texts.py", "text != text.strip()", "False",
             [f"{_CORE}/test_texts.py"]),
)  # fmt: skip
