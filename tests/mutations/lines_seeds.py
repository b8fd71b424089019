# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of what cloud-init gets: seed ISOs on Proxmox VE, files on WSL, and what the mark records."""

from __future__ import annotations

from mutations.mutation import Mutation

_ISO, _ISO_TESTS = "_drivers/proxmox/seed_iso.py", ["tests/unit/module_utils/_drivers/proxmox/test_seed_iso.py"]
_WSL, _WSL_TESTS = "_drivers/wsl/cloud_init.py", ["tests/platforms/wsl/test_cloud_init.py"]
_DIGESTS, _DIGEST_TESTS = "_core/record/seed_digests.py", ["tests/unit/module_utils/_core/record/test_seed_digests.py"]

MUTATIONS = (
    Mutation("seed-iso-outlives-its-vm", _ISO, "values.is_seed_iso(volume, vm_options.vmid)", "False", _ISO_TESTS),
    Mutation("vm-gets-two-seeds", _ISO, "change and own_seed_slots(vm_options.stored)", "False", _ISO_TESTS),
    Mutation(
        "upload-of-a-killed-task-is-not-awaited", "_tools/proxmox.py", 'not task.get("endtime")', "False", _ISO_TESTS
    ),
    Mutation("clone-keeps-the-seed-of-its-source", _ISO, "key not in slots", "True", _ISO_TESTS),
    Mutation(
        "foreign-file-for-cloud-init-is-overwritten",
        _WSL,
        "found != content and recorded.get(key_of(path)) != _digest(found)",
        "False",
        _WSL_TESTS,
    ),
    Mutation("changed-file-for-cloud-init-is-removed", _WSL, "_digest(answer.bytes()) == digest", "True", _WSL_TESTS),
    Mutation("password-has-a-digest", _DIGESTS, 'name != "password"', "True", _DIGEST_TESTS),
    Mutation(
        "password-in-a-document-has-a-digest",
        _DIGESTS,
        "text.replace(json.dumps(secret, ensure_ascii=False)[1:-1], _LEFT_OUT)",
        "text",
        _DIGEST_TESTS,
    ),
    Mutation(
        "changed-cloud-init-is-not-seen",
        "_core/results/vm_result.py",
        "recorded.get(name) != digest",
        "False",
        _DIGEST_TESTS,
    ),
)
