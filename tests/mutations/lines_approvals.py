# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of approved plans: each of them would permit what nobody has approved."""

from __future__ import annotations

from mutations.mutation import Mutation

_CORE = "tests/unit/module_utils/_core"
_APPROVAL, _APPROVAL_TESTS = "_core/approval.py", [f"{_CORE}/test_approval.py"]
_CONTENT, _CONTENT_TESTS = "_core/plan_content.py", [f"{_CORE}/test_plan_content.py"]
_PROXMOX = "_drivers/proxmox/versions.py"
_PROXMOX_TESTS = ["tests/unit/module_utils/_drivers/proxmox/test_versions.py"]
_LIMITS, _LIMITS_TESTS = "_engine", ["tests/unit/module_utils/_engine/test_approvals.py"]

MUTATIONS = (
    Mutation("empty-list-permits-each-plan", _APPROVAL, "VARIABLE in given", "given.get(VARIABLE)", _APPROVAL_TESTS),
    Mutation(
        "empty-text-permits-each-plan", _APPROVAL, "self._expected is not None", "self._expected", _APPROVAL_TESTS
    ),
    Mutation(
        "approval-of-another-workflow-counts",
        _APPROVAL,
        "workflow is None or str(workflow) == str(self._workflow)",
        "True",
        _APPROVAL_TESTS,
    ),
    Mutation("expected-plan-is-not-compared", _APPROVAL, "self._expected in (None, plan)", "True", _APPROVAL_TESTS),
    Mutation(
        "plan-with-an-obstacle-is-permitted",
        _APPROVAL,
        "obstacle or not self._permits(plan)",
        "not self._permits(plan)",
        _APPROVAL_TESTS,
    ),
    Mutation("long-plan-is-approved-unseen", _APPROVAL, "entries = []", "pass", _APPROVAL_TESTS),
    Mutation("value-of-a-secret-is-in-the-digest", _CONTENT, '{"secret": True}', "str(value)", _CONTENT_TESTS),
    Mutation("time-of-a-snapshot-does-not-count", _CONTENT, "one.created", "None", _CONTENT_TESTS),
    Mutation("address-without-checksum-is-approved", _CONTENT, 'not image.get("digest")', "False", _CONTENT_TESTS),
    Mutation("file-that-cannot-be-compared-is-approved", _CONTENT, "unknown is None", "True", _CONTENT_TESTS),
    Mutation(
        "documents-of-a-new-vm-do-not-count",
        _CONTENT,
        "_seed({**request.config, **request.creation}.get(_CLOUD_INIT)) if is_new else {}",
        "{}",
        _CONTENT_TESTS,
    ),
    Mutation(
        "command-after-a-secret-does-not-count",
        "_core/document_secrets.py",
        '_WORD.match(match[group])[0] if group == "rest" else match[group]',
        "match[group]",
        [f"{_CORE}/test_seed_digests.py"],
    ),
    Mutation(
        "short-digest-of-a-document-is-enough",
        "_core/seed_digests.py",
        "_sha256(_text(without_secrets(value)))",
        "_sha256(_text(without_secrets(value)))[:8]",
        [f"{_CORE}/test_seed_digests.py"],
    ),
    Mutation(
        "another-cluster-has-the-same-plan", "_drivers/proxmox/driver.py", "self.tool.api.where", '""', _PROXMOX_TESTS
    ),
    Mutation("time-of-a-volume-does-not-count", _PROXMOX, 'entry.get("ctime")', "None", _PROXMOX_TESTS),
    Mutation(
        "address-of-an-iso-without-checksum-is-approved",
        _PROXMOX,
        "[] if self._driver.iso_checksum else None",
        "[]",
        _PROXMOX_TESTS,
    ),
    Mutation(
        "time-of-a-windows-file-does-not-count",
        "_tools/windows_files.py",
        '[found["Length"], found["LastWriteTimeUtc"]]',
        '[found["Length"], None]',
        ["tests/platforms/hyperv/test_approvals.py"],
    ),
    Mutation(
        "program-for-marked-lines-does-not-count",
        "_drivers/vmm/marked_lines.py",
        '{"validate": self._validate, "apply": self._apply}',
        '{"validate": self._validate}',
        ["tests/unit/module_utils/_drivers/vmm/test_marked_lines.py"],
    ),
    Mutation(
        "guarded-run-passes-on-plans-of-a-failed-playbook",
        "plugins/plugin_utils/guarded/decisions.py",
        'result.get("failed") or not (own or of_playbook)',
        "not (own or of_playbook)",
        ["tests/unit/plugin_utils/test_guarded_decisions.py"],
    ),
    Mutation("approval-is-not-asked", _LIMITS, "not any(work.plan.refusal for work in works)", "False", _LIMITS_TESTS),
    Mutation("new-plan-is-not-compared", _LIMITS, "progress.is_limited", "False", _LIMITS_TESTS),
)
