# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backups a task deletes by its rules, and which it keeps and names."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._core.results.vm_result import warnings_about

from unit.module_utils._core.planner.test_plan_backup import HOUR, _asked, _backup, _plan, _verbs, _vm


def test_retention_keeps_what_satisfies_the_task():
    """A weaker backup that is newer does not replace it."""
    vm = _vm(_backup("a", 2 * HOUR, consistency="filesystem"), _backup("b", HOUR), _backup("c", 9 * HOUR))
    found = _plan(vm, consistency="filesystem", keep_last=1)
    assert [(step.verb, step.arguments["ids"]) for step in found.steps] == [("drop_backup", ("c",))]


def test_needed_backup_is_kept_and_named_and_does_not_count():
    needed = {"needed": "its file vda.qcow2 is needed by u", "files": ("/c/vda.qcow2",)}
    left = _backup("b", 5 * HOUR, unfinished="x", **needed)
    vm = _vm(_backup("a", 9 * HOUR, files=("/a/x",)), left, _backup("c", 2 * HOUR, **needed), _backup("d", HOUR))
    found = _plan(vm, keep_last=1)
    assert [step.arguments for step in found.steps] == [{"ids": ("a",), "unfinished": (), "files": ("/a/x",)}]
    assert _verbs(vm, keep_last=2) == []
    text = "\n".join(filter(None, warnings_about(found.after, _asked(), found)))
    assert "c: it is kept, because its file vda.qcow2 is needed by u" in text and "d: " not in text
    refusal = str(_plan(vm, state="absent", backup="c").refusal)
    assert "backup 'c' cannot be deleted: its file vda.qcow2 is needed by u. Detach" in refusal
