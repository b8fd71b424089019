# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of the Vagrant driver."""

from __future__ import annotations

from mutations.mutation import Mutation

_UNIT = "tests/unit/module_utils/_drivers/vagrant"

MUTATIONS = (
    Mutation(
        "failed-start-destroys-old-vm",
        "_drivers/vagrant",
        'project_vm.created is not None or driver.options.get("on_failure") == "keep"',
        'driver.options.get("on_failure") == "keep"',
        [f"{_UNIT}/test_life.py"],
    ),
    Mutation(
        "reading-changes-the-project",
        "_drivers/vagrant",
        "vagrant = vagrant_on(folder)",
        "vagrant = vagrant_on(dotfile)",
        [f"{_UNIT}/test_life.py"],
    ),
    Mutation(
        "vm-of-other-vagrantfile-is-taken",
        "_drivers/vagrant",
        "file != self.file",
        "not file",
        [f"{_UNIT}/test_ownership.py"],
    ),
    Mutation(
        "bind-mount-is-a-copy",
        "_drivers/vagrant",
        "files.identity(folder) != here",
        "os.path.realpath(folder) != os.path.realpath(self.folder)",
        [f"{_UNIT}/test_ownership.py"],
    ),
    Mutation(
        "version-of-a-local-box-is-ignored",
        "_drivers/vagrant",
        "_number(is_exact[1]) in added if is_exact else bool(added)",
        "bool(added)",
        [f"{_UNIT}/test_checks.py"],
    ),
    Mutation(
        "copy-of-a-project-has-its-vms",
        "_drivers/vagrant",
        "there is not None and there.id == one.id",
        "False",
        [f"{_UNIT}/test_ownership.py"],
    ),
    Mutation(
        "shared-dotfile-folder-is-removed",
        "_drivers/vagrant",
        "contents.owns_folder and not contents.foreign and self._has_own_dotfile()",
        "contents.owns_folder",
        [f"{_UNIT}/test_project.py"],
    ),
    Mutation(
        "managed-file-is-readable-by-all",
        "_drivers/vagrant/project.py",
        "_PRIVATE = 0o600",
        "_PRIVATE = 0o644",
        [f"{_UNIT}/test_project.py"],
    ),
    Mutation(
        "two-tasks-write-one-project",
        "_drivers/vagrant::edited",
        "not is_free",
        "is_free is None",
        [f"{_UNIT}/test_project.py"],
    ),
    Mutation(
        "memory-written-in-bytes",
        "_drivers/vagrant",
        "lambda size: size // MIB if size else None",
        "lambda size: size",
        [f"{_UNIT}/settings/test_settings.py"],
    ),
    Mutation(
        "unrelated-process-is-ended",
        "_drivers/vagrant",
        '"-L" in argv and any(f":{port}:" in word for word in argv)',
        "True",
        [f"{_UNIT}/settings/test_port_forwards.py"],
    ),
    Mutation(
        "libvirt-memory-in-wrong-unit",
        "_drivers/vagrant",
        "int(kib) * KIB",
        "int(kib) * 1000",
        [f"{_UNIT}/test_observe.py"],
    ),
    Mutation(
        "host-port-for-two-vms",
        "_drivers/vagrant",
        "[replace(claim, is_reserved=True) for claim in super().forward(rule, option)]",
        "super().forward(rule, option)",
        [f"{_UNIT}/test_checks.py"],
    ),
    Mutation(
        "another-box-beside-an-image",
        "_drivers/vagrant",
        "other not in (None, value)",
        "False",
        [f"{_UNIT}/test_images.py"],
    ),
    Mutation(
        "image-is-that-of-another-box",
        "_drivers/vagrant",
        'described.get(INPUTS) if described.get("box") == config.get("box") else None',
        "described.get(INPUTS)",
        [f"{_UNIT}/test_images.py"],
    ),
    Mutation(
        "image-is-for-another-provider",
        "_drivers/vagrant",
        'request.config.get("provider") or described.get("provider") or self.default_provider',
        "self.default_provider",
        [f"{_UNIT}/test_images.py"],
    ),
)
