# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of ready-made machines: presets with scripts, answer files, and the connection to guests with Windows."""

from __future__ import annotations

from mutations.mutation import Mutation

_PRESETS, _PRESET_TESTS = "plugins/plugin_utils/installs/presets.py", ["tests/unit/lookup/test_preset.py"]
_HOSTS, _HOST_TESTS = "plugins/plugin_utils/inventory/hosts.py", ["tests/unit/plugin_utils/test_hosts.py"]
_SEED, _SEED_TESTS = "_tools/seed.py", ["tests/unit/module_utils/_tools/test_seed.py"]
_ROLE, _ROLE_TESTS = "roles/vm/vars/main.yml", ["tests/unit/roles/test_vm_options.py"]

MUTATIONS = (
    Mutation(
        "scripts-of-wsl-go-on-after-a-failure",
        _PRESETS,
        '["/bin/sh", "-e", "-c", "\\n".join(f"(\\n{text.rstrip()}\\n)" for text in texts)]',
        '["/bin/sh", "-c", "\\n".join(f"(\\n{text.rstrip()}\\n)" for text in texts)]',
        _PRESET_TESTS,
    ),
    Mutation(
        "scripts-run-by-ssh-and-by-cloud-init",
        _PRESETS,
        '[] if in_cloud_init else zip(preset.get("scripts", ()), texts)',
        'zip(preset.get("scripts", ()), texts)',
        _PRESET_TESTS,
    ),
    Mutation("script-of-a-preset-is-any-path", _PRESETS, "not _SCRIPT.fullmatch(name)", "False", _PRESET_TESTS),
    Mutation("preset-of-vagrant-names-an-image", _PRESETS, '(_WSL, "vagrant")', "(_WSL,)", _PRESET_TESTS),
    Mutation(
        "preset-of-another-platform-is-used",
        _ROLE,
        "{%- elif vm_preset and (vm_platform != __vm_of_preset.platform or vm_machines) -%}",
        "{%- elif vm_preset and vm_machines -%}",
        _ROLE_TESTS,
    ),
    Mutation(
        "clone-has-the-image-of-the-preset-too",
        _ROLE,
        "{{ vm_image or ('' if vm_clone else (guest_image_result | default({})).path"
        " | default(__vm_image_of_preset)) }}",
        "{{ vm_image or (guest_image_result | default({})).path | default(__vm_image_of_preset) }}",
        _ROLE_TESTS,
    ),
    Mutation(
        "user-of-wsl-is-that-of-the-preset",
        _ROLE,
        "| combine({'default_user': vm_user} if 'default_user' in __vm_own_of_preset.options | default({}) else {})",
        "| combine({})",
        _ROLE_TESTS,
    ),
    Mutation("tag-windows-means-nothing", _HOSTS, '_WINDOWS_TAG in (vm.get("tags") or ())', "False", _HOST_TESTS),
    Mutation(
        "forward-of-another-host-is-used",
        _HOSTS,
        "next(filter(None, ends), None) if source.host is None else None",
        "next(filter(None, ends), None)",
        _HOST_TESTS,
    ),
    Mutation("answer-file-is-not-checked", _SEED, "not is_one", "False", _SEED_TESTS),
    Mutation(
        "password-of-an-answer-file-has-a-digest",
        "_core/record/seed_digests.py",
        '"answer_file" in given',
        "False",
        ["tests/unit/module_utils/_core/record/test_seed_digests.py"],
    ),
)
