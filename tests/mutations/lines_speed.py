# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations: work for many VMs that is done again for each, what an index may lose, and bytecode of other users."""

from __future__ import annotations

from .mutation import Mutation

_MASKING = "tests/unit/modules/test_masking.py"
_BYTECODE = "tests/unit/plugin_utils/test_bytecode.py"
_IN_PROCESS = "tests/unit/plugin_utils/test_in_process.py"
_LINEAR = "tests/unit/module_utils/_engine/test_linear.py"
_CREATIONS = "tests/unit/module_utils/_engine/test_creations.py"
_NEEDED = "tests/unit/module_utils/_drivers/virsh/test_needed.py"
_CHECKS = "tests/unit/module_utils/_drivers/virsh/test_checks.py"
_EARLY = "tests/unit/module_utils/_drivers/virsh/test_early.py"
_FROZEN = "tests/unit/module_utils/_core/test_frozen.py"

MUTATIONS = (
    Mutation(
        "vms-of-libvirt-are-searched-for-each-name",
        "_drivers/virsh/observe.py",
        "self._uuids.get(target.name, [])",
        "[uuid for uuid, name in self.names.items() if name == target.name]",
        [_LINEAR],
    ),
    Mutation(
        "answers-by-name-are-of-another-vm",
        "_drivers/virsh/observe.py",
        'is_of(uuid, answers["inactive"])',
        "True",
        [_EARLY],
    ),
    Mutation(
        "text-of-a-user-is-the-uuid",
        "_drivers/virsh/answers.py",
        'answer.stdout.partition("<uuid>")[2].startswith(f"{uuid}<")',
        'f"<uuid>{uuid}<" in answer.stdout',
        [_EARLY],
    ),
    Mutation(
        "number-is-the-name-of-a-vm",
        "_drivers/virsh/driver.py",
        "_NAME.match(name) and len(name) != _UUID",
        "name",
        [_EARLY],
    ),
    Mutation(
        "suspended-vm-is-read-as-it-is-stored",
        "_drivers/virsh/observe.py",
        "all(command in self.early for command in by_name)",
        "self.early",
        [_EARLY],
    ),
    Mutation(
        "wrong-argument-of-a-value-is-accepted",
        "_core/frozen.py",
        "state.keys() != self._fields.keys()",
        "False",
        [_FROZEN],
    ),
    Mutation(
        "default-is-shared-by-all-values",
        "_core/frozen.py",
        "type(given).__hash__ is None",
        "False",
        [_FROZEN],
    ),
    Mutation(
        "values-of-different-classes-are-equal",
        "_core/frozen.py",
        "type(other) is not type(self)",
        "False",
        [_FROZEN],
    ),
    Mutation(
        "quoted-secret-is-shown",
        "_front",
        "{secret, json.dumps(secret)[1:-1], repr(secret)[1:-1]}",
        "{secret}",
        [_MASKING],
    ),
    Mutation(
        "secrets-are-prepared-for-each-text",
        "_front",
        "{key: self.masked(part) for key, part in value.items()}",
        "{key: masked(part, self._secrets) for key, part in value.items()}",
        [_LINEAR],
    ),
    Mutation(
        "vms-are-indexed-for-each-name",
        "_engine",
        "_selected(work.target, by_key)",
        "_selected(work.target, _by_key(observation.vms))",
        [_LINEAR],
    ),
    Mutation(
        "lower-snapshots-are-lost",
        "_core",
        "waiting += _oldest_last(_)",
        "waiting += []",
        [_LINEAR],
    ),
    Mutation(
        "bytecode-of-another-user-is-run",
        "plugin_utils",
        "stat.S_ISDIR(_1.st_mode) and _1.st_uid == os.geteuid()",
        "stat.S_ISDIR(_1.st_mode)",
        [_BYTECODE],
    ),
    Mutation(
        "bytecode-that-others-can-write-is-run",
        "plugin_utils",
        "stat.S_IMODE(_.st_mode) == stat.S_IRWXU",
        "True",
        [_BYTECODE],
    ),
    Mutation("linked-folder-has-bytecode", "plugin_utils/tasks", "os.lstat(path)", "os.stat(path)", [_BYTECODE]),
    Mutation(
        "bytecode-is-kept-next-to-the-files",
        "plugin_utils",
        "if self._folder:\n    ...",
        "if True:\n    ...",
        [_BYTECODE],
    ),
    Mutation("finder-stays-after-the-imports", "plugin_utils", "sys.meta_path.remove(finder)", "pass", [_BYTECODE]),
    Mutation(
        "wrong-parameter-ships-the-module", "plugin_utils", "if problem:\n    return problem", "pass", [_IN_PROCESS]
    ),
    Mutation(
        "changed-image-is-not-read-again",
        "_drivers/virsh",
        "version = tuple(files.version(path) or ())",
        "version = ()",
        [_NEEDED],
    ),
    Mutation(
        "host-is-asked-for-each-vm",
        "_kit",
        "if question not in self._answers:\n    ...",
        "if True:\n    ...",
        [_NEEDED],
    ),
    Mutation("old-answers-after-a-step", "_drivers/virsh", "self.host.forget()", "pass", [_CHECKS]),
    Mutation(
        "each-creation-is-observed",
        "_engine",
        "_.last_step.verb in _.traits.synchronous_verbs",
        "False",
        [_CREATIONS],
    ),
)
