# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of approved plans: each of them would permit what nobody has approved."""

from __future__ import annotations

from mutations.mutation import Mutation

_CORE = "tests/unit/module_utils/_core"
_APPROVAL, _APPROVAL_TESTS = "_core/results/approval.py", [f"{_CORE}/results/test_approval.py"]
_CONTENT, _CONTENT_TESTS = "_core/results/plan_content.py", [f"{_CORE}/results/test_plan_content.py"]
_PROXMOX = "_drivers/proxmox/versions.py"
_PROXMOX_TESTS = ["tests/unit/module_utils/_drivers/proxmox/test_versions.py"]
_LIMITS, _LIMITS_TESTS = "_engine", ["tests/unit/module_utils/_engine/test_approvals.py"]
_IDENTITIES_TESTS = [f"{_CORE}/planner/test_plan_identities.py"]
_SECRETS, _SECRETS_TESTS = "_core/record/document_secrets.py", [f"{_CORE}/record/test_seed_digests.py"]
_OVER, _PLAY = "plugins/plugin_utils/tasks/over_platforms.py", "plugins/plugin_utils/tasks/approvals.py"
_EXPECTED_TESTS = ["tests/unit/modules/test_expected_plans.py"]
_PLAY_TESTS = ["tests/unit/plugin_utils/test_approvals_of_tasks.py"]
_VERSIONS_TESTS = ["tests/unit/module_utils/_media/test_file_versions.py"]
_STORED_TESTS = ["tests/unit/module_utils/_media/test_stored_content.py"]

MUTATIONS = (
    Mutation("empty-list-permits-each-plan", _APPROVAL, "VARIABLE in given", "given.get(VARIABLE)", _APPROVAL_TESTS),
    Mutation(
        "empty-text-permits-each-plan", _APPROVAL, "self._expected is not None", "self._expected", _APPROVAL_TESTS
    ),
    Mutation(
        "approval-of-another-workflow-counts",
        _APPROVAL,
        "str(workflow) == str(self._workflow)",
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
    Mutation("value-of-a-secret-is-in-the-digest", _CONTENT, "return _SECRET", "return str(value)", _CONTENT_TESTS),
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
        "_core/record/document_secrets.py",
        '_WORD.match(match[group])[0] if group == "rest" else match[group]',
        "match[group]",
        [f"{_CORE}/record/test_seed_digests.py"],
    ),
    Mutation(
        "short-digest-of-a-document-is-enough",
        "_core/record/seed_digests.py",
        "_sha256(_text(without_secrets(value)))",
        "_sha256(_text(without_secrets(value)))[:8]",
        [f"{_CORE}/record/test_seed_digests.py"],
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
        "_hosts/openbsd/marked_lines.py",
        '{"validate": self._validate, "apply": self._apply}',
        '{"validate": self._validate}',
        ["tests/unit/module_utils/_hosts/openbsd/test_marked_lines.py"],
    ),
    Mutation(
        "guarded-run-passes-on-plans-of-a-failed-playbook",
        "plugins/plugin_utils/guarded/decisions.py",
        'result.get("failed") or not (own or of_playbook)',
        "not (own or of_playbook)",
        ["tests/unit/plugin_utils/test_guarded_decisions.py"],
    ),
    Mutation(
        "plain-digest-counts-in-a-workflow-job",
        _APPROVAL,
        "str(workflow) == str(self._workflow)",
        "workflow is None or str(workflow) == str(self._workflow)",
        _APPROVAL_TESTS,
    ),
    Mutation(
        "expected-plan-that-is-null-permits-all", _APPROVAL, '{**arguments, EXPECTED: ""}', "arguments", _EXPECTED_TESTS
    ),
    Mutation(
        "null-of-a-shipped-module-permits-all",
        "plugins/plugin_utils/tasks/controller_action.py",
        "explicit(self._task.args)",
        "self._task.args",
        _EXPECTED_TESTS,
    ),
    Mutation("null-of-vm-permits-all", _OVER, "explicit(self._task.args)", "self._task.args", _EXPECTED_TESTS),
    Mutation(
        "expected-plan-of-one-platform-is-dropped", _OVER, "expected[0] if expected else None", "None", _EXPECTED_TESTS
    ),
    Mutation(
        "part-may-become-another-one", _OVER, "if approval.is_limited:\n    ...", "if False:\n    ...", _EXPECTED_TESTS
    ),
    Mutation(
        "plan-of-delegate-limits-parts",
        _PLAY,
        "{**_without_variable(task_vars), **freed}",
        "_without_variable(task_vars)",
        _EXPECTED_TESTS,
    ),
    Mutation(
        "refused-task-of-several-platforms-has-no-key",
        _OVER,
        '{**joined(planned, order, is_refused=True), "plan": None}',
        "joined(planned, order, is_refused=True)",
        _EXPECTED_TESTS,
    ),
    Mutation(
        "expected-plan-of-an-entry-is-ignored", "_front/machines.py", "(*OF_TASK, EXPECTED)", "OF_TASK", _EXPECTED_TESTS
    ),
    Mutation(
        "change-without-a-question-is-no-error",
        "_front/declaration.py",
        'answer.get("changed") and not approval.was_asked',
        "False",
        _EXPECTED_TESTS,
    ),
    Mutation(
        "address-of-the-host-does-not-count",
        _APPROVAL,
        "(HOST, REVISION, REACHED)",
        "(HOST, REVISION)",
        _APPROVAL_TESTS,
    ),
    Mutation(
        "connection-has-no-address",
        _PLAY,
        "found[name] = connection.get_option(name)",
        "connection.get_option(name)",
        _PLAY_TESTS,
    ),
    Mutation(
        "birth-does-not-count",
        "_core/model.py",
        "self.id if self.birth is None else self.birth",
        "self.id",
        _IDENTITIES_TESTS,
    ),
    Mutation(
        "deletion-with-unknown-birth-is-approved", _CONTENT, 'plan.before.identity == ""', "False", _CONTENT_TESTS
    ),
    Mutation(
        "snapshots-of-a-deletion-do-not-count",
        _CONTENT,
        "if step.verb in _ENDING:\n    return before.snapshots",
        "if step.verb in _ENDING:\n    return []",
        _IDENTITIES_TESTS,
    ),
    Mutation(
        "disks-of-a-deletion-do-not-count",
        _CONTENT,
        '{*SNAPSHOT_VERBS, *STARTING, "reset", *_ENDING}',
        '{*SNAPSHOT_VERBS, *STARTING, "reset"}',
        _IDENTITIES_TESTS,
    ),
    Mutation(
        "disks-of-the-source-do-not-count",
        _CONTENT,
        'step.arguments["source"] if step.verb == _CLONE else before',
        "before",
        _IDENTITIES_TESTS,
    ),
    Mutation("size-of-a-disk-does-not-count", _CONTENT, '("source", "size")', '("source",)', _IDENTITIES_TESTS),
    Mutation("deleted-files-have-no-identity", _CONTENT, "(*disks, *deleted_files(plan))", "disks", _IDENTITIES_TESTS),
    Mutation(
        "kernel-of-a-start-does-not-count",
        _CONTENT,
        "step.verb in (*_CREATING, *STARTING) or _sets_native(step)",
        "_sets_native(step)",
        _CONTENT_TESTS,
    ),
    Mutation(
        "code-points-are-composed",
        _CONTENT,
        "return str.__str__(value)",
        "return __import__('unicodedata').normalize('NFC', value)",
        _CONTENT_TESTS,
    ),
    Mutation(
        "variables-of-scripts-are-all-secrets",
        _CONTENT,
        "isinstance(value, Secret) and not is_literal_secret(name, value)",
        "False",
        _CONTENT_TESTS,
    ),
    Mutation("new-vm-is-shown-without-its-settings", _CONTENT, "end[key] != known[key]", "False", _CONTENT_TESTS),
    Mutation(
        "any-word-of-a-name-makes-a-secret",
        _SECRETS,
        "last in _LAST_WORDS",
        "_LAST_WORDS & {*before, last}",
        _SECRETS_TESTS,
    ),
    Mutation("each-key-is-a-secret", _SECRETS, "before[-1] in _BEFORE_KEY", "True", _SECRETS_TESTS),
    Mutation("executable-value-is-a-secret", _SECRETS, "not _NOT_LITERAL.search(text)", "True", _SECRETS_TESTS),
    Mutation("backing-file-of-an-image-does-not-count", "_media/on_host.py", "[*found, *_1]", "found", _VERSIONS_TESTS),
    Mutation("unreadable-image-is-approved", "_media/on_host.py", "return None", "return found", _VERSIONS_TESTS),
    Mutation(
        "only-the-first-backing-file-counts", "_media/disk_header.py", "[*images, *new]", "images", _VERSIONS_TESTS
    ),
    Mutation(
        "data-file-of-an-image-does-not-count",
        "_media/disk_header.py",
        "[backing_file(image), data_file(image)]",
        "[backing_file(image)]",
        _VERSIONS_TESTS,
    ),
    Mutation(
        "file-of-another-host-is-compared-here",
        "_drivers/virsh/driver.py",
        "super().file_version(path, plan) if self.is_local else None",
        "super().file_version(path, plan)",
        _VERSIONS_TESTS,
    ),
    Mutation(
        "identity-of-a-disk-does-not-count", "_engine/task.py", "driver.file_identity(path)", "None", _LIMITS_TESTS
    ),
    Mutation(
        "identity-of-a-disk-is-its-time",
        "_media/on_host.py",
        "(files.version(path) or [])[2:]",
        "(files.version(path) or [])[1:]",
        _VERSIONS_TESTS,
    ),
    Mutation(
        "changed-image-of-the-store-is-used",
        "_media/store.py",
        "self.content_of(stored) != stored.content",
        "False",
        _STORED_TESTS,
    ),
    Mutation(
        "image-of-the-store-is-not-compared",
        "_media/images.py",
        "self.store.check_content(stored, about)",
        "pass",
        _STORED_TESTS,
    ),
    Mutation(
        "each-image-of-the-store-is-read",
        "_media/store.py",
        "self.seen(stored.path) == list(stored.seen or ())",
        "False",
        _STORED_TESTS,
    ),
    Mutation(
        "end-of-an-interrupted-run-is-not-approved",
        "plugins/plugin_utils/guarded/run.py",
        "self._permit(plans, debts)",
        "pass",
        ["tests/unit/plugin_utils/test_guarded_finish.py"],
    ),
    Mutation(
        "snapshots-of-an-interrupted-run-do-not-count",
        "plugins/plugin_utils/guarded/decisions.py::plan_of",
        "debts.get(vm, ())",
        "()",
        ["tests/unit/plugin_utils/test_guarded_finish.py"],
    ),
    Mutation("approval-is-not-asked", _LIMITS, "not any(work.plan.refusal for work in works)", "False", _LIMITS_TESTS),
    Mutation("new-plan-is-not-compared", _LIMITS, "progress.is_limited", "False", _LIMITS_TESTS),
)
