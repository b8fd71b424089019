# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of the Vagrant driver."""

from __future__ import annotations

from mutations.mutation import Mutation

_CODE = "plugins/module_utils/_drivers/vagrant"
_UNIT = "tests/unit/module_utils/_drivers/vagrant"

MUTATIONS = (
    Mutation(
        "failed-start-destroys-old-vm",
        f"{_CODE}/power.py",
        'if project_vm.created is not None or driver.options.get("on_failure") == "keep":',
        'if driver.options.get("on_failure") == "keep":',
        {"unit": ("tests/unit/module_utils/_drivers/vagrant",)},
    ),
    Mutation(
        "reading-changes-the-project",
        f"{_CODE}/in_vagrant.py",
        "vagrant = vagrant_on(folder)",
        "vagrant = vagrant_on(dotfile)",
        {"unit": ("tests/unit/module_utils/_drivers/vagrant",)},
    ),
    Mutation(
        "vm-of-other-vagrantfile-is-taken",
        f"{_CODE}/project.py",
        "return frozenset(name for name, file in owners.items() if file != self.file)",
        "return frozenset(name for name, file in owners.items() if not file)",
        {"unit": ("tests/unit/module_utils/_drivers/vagrant",)},
    ),
    Mutation(
        "bind-mount-is-a-copy",
        f"{_CODE}/project.py",
        "if folder and files.identity(folder) != here and self._has(folder, one):",
        "if folder and os.path.realpath(folder) != os.path.realpath(self.folder) and self._has(folder, one):",
        {"unit": [f"{_UNIT}/test_ownership.py"]},
    ),
    Mutation(
        "version-of-a-local-box-is-ignored",
        f"{_CODE}/settings/box.py",
        "return _number(is_exact[1]) in added if is_exact else bool(added)",
        "return bool(added)",
        {"unit": [f"{_UNIT}/test_checks.py"]},
    ),
    Mutation(
        "copy-of-a-project-has-its-vms",
        f"{_CODE}/project.py",
        "return there is not None and there.id == one.id",
        "return False",
        {"unit": [f"{_UNIT}/test_ownership.py"]},
    ),
    Mutation(
        "shared-dotfile-folder-is-removed",
        f"{_CODE}/project.py",
        "if contents.owns_folder and not contents.foreign and self._has_own_dotfile():",
        "if contents.owns_folder:",
        {"unit": [f"{_UNIT}/test_project.py"]},
    ),
    Mutation(
        "managed-file-is-readable-by-all",
        f"{_CODE}/project.py",
        "_PRIVATE = 0o600",
        "_PRIVATE = 0o644",
        {"unit": [f"{_UNIT}/test_project.py"]},
    ),
    Mutation(
        "two-tasks-write-one-project",
        f"{_CODE}/project.py",
        "if not is_free:",
        "if is_free is None:",
        {"unit": [f"{_UNIT}/test_project.py"]},
    ),
    Mutation(
        "memory-written-in-bytes",
        f"{_CODE}/settings/table.py",
        "minimum=16 * MIB, whole=MIB, read=_read_memory, write=lambda size: size // MIB if size else None",
        "minimum=16 * MIB, whole=MIB, read=_read_memory, write=lambda size: size",
        {"unit": [f"{_UNIT}/settings/test_settings.py"]},
    ),
    Mutation(
        "unrelated-process-is-ended",
        f"{_CODE}/settings/port_forwards.py",
        'commands.end(int(pid), lambda argv: "-L" in argv and any(f":{port}:" in word for word in argv))',
        "commands.end(int(pid), lambda argv: True)",
        {"unit": [f"{_UNIT}/settings/test_port_forwards.py"]},
    ),
    Mutation(
        "libvirt-memory-in-wrong-unit",
        f"{_CODE}/in_libvirt.py",
        'return {"cpus": int(info["CPU(s)"]), "memory": int(kib) * KIB} if kib.isdigit() and "CPU(s)" in info else {}',
        'return {"cpus": int(info["CPU(s)"]), "memory": int(kib) * 1000} if kib.isdigit() and "CPU(s)" in info else {}',
        {"unit": [f"{_UNIT}/test_observe.py"]},
    ),
    Mutation(
        "host-port-for-two-vms",
        f"{_CODE}/claims.py",
        "return [replace(claim, is_reserved=True) for claim in super().forward(rule, option)]",
        "return super().forward(rule, option)",
        {"unit": [f"{_UNIT}/test_checks.py"]},
    ),
)
