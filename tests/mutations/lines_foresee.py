# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of what check mode foresees on vmd, Hyper-V and WSL, and of how the rules of pf are evaluated."""

from __future__ import annotations

from mutations.mutation import Mutation

_BLOCKS = ("tests/unit/module_utils/_drivers/vmm/test_recorded_blocks.py",)
_VMD = ("tests/unit/module_utils/_drivers/vmm/test_foreseen.py",)
_PF = ("tests/unit/module_utils/_tools/test_pf_rules.py",)
_WSL = ("tests/platforms/wsl/test_locations.py",)
_HYPERV = ("tests/platforms/hyperv/test_tasks.py", "tests/platforms/hyperv/test_checks.py")
_TABLE = "plugins/module_utils/_drivers/vmm/settings/table.py"
_DEFINITION = "plugins/module_utils/_drivers/vmm/definition.py"
_RULES = "plugins/module_utils/_tools/pf_rules.py"
_STORAGE = "plugins/module_utils/_drivers/wsl/settings/storage.py"

MUTATIONS = (
    Mutation(
        "locked-is-printed-after-the-address",
        _DEFINITION,
        'address = [*(["locked"] if self.locked else []), "lladdr", *([self.mac] if self.mac else [])]',
        'address = ["lladdr", *([self.mac] if self.mac else []), *(["locked"] if self.locked else [])]',
        _BLOCKS,
    ),
    Mutation(
        "unchanged-nic-is-written-again",
        _TABLE,
        'mac = current.mac if entry.get("mac") == known.get("mac") else entry.get("mac")',
        'mac = entry.get("mac")',
        _BLOCKS,
    ),
    Mutation(
        "default-is-written",
        _TABLE,
        "is_same = kind in current and current[kind] == config.get(kind)",
        "is_same = False",
        _VMD,
    ),
    Mutation(
        "number-beside-a-colon-is-an-owner",
        "plugins/module_utils/_drivers/vmm/checks.py",
        "        if user_or_group and not is_known(user_or_group):",
        "        if user_or_group and not user_or_group.isdigit() and not is_known(user_or_group):",
        _VMD,
    ),
    Mutation(
        "quick-rule-does-not-decide",
        _RULES,
        "            if rule.is_quick:\n                return decided",
        "            if False:\n                return decided",
        _PF,
    ),
    Mutation(
        "block-of-some-packets-isolates",
        _RULES,
        'elif rule.action == "block" and matched == ALL:',
        'elif rule.action == "block" and matched:',
        _PF,
    ),
    Mutation(
        "rule-that-is-not-known-passes-nothing",
        _RULES,
        "        if found is None:\n            return SOME",
        "        if found is None:\n            return NO",
        _PF,
    ),
    Mutation(
        "anchors-of-others-are-not-read",
        _RULES,
        '            found += rules(read_anchor(rule.found["name"] or ""), own_anchor, read_anchor, rule)',
        "            found += rules(read_anchor(own_anchor), own_anchor, read_anchor, rule)",
        _PF,
    ),
    Mutation(
        "vm-that-is-not-listed-is-absent",
        "plugins/module_utils/_drivers/hyperv/observe.py",
        "        if unseen:\n            raise",
        "        if False:\n            raise",
        _HYPERV[:1],
    ),
    Mutation("root-of-a-drive-is-a-location", _STORAGE, "    if is_root(path):", "    if False:", _WSL),
    Mutation("share-is-a-location", _STORAGE, "    if is_on_share(path):", "    if False:", _WSL),
    Mutation(
        "name-that-windows-does-not-have-is-accepted",
        "plugins/module_utils/_tools/windows_files.py",
        "    if wrong:\n        raise",
        "    if False:\n        raise",
        (*_WSL, *_HYPERV[1:]),
    ),
    Mutation(
        "gateway-is-anywhere",
        "plugins/module_utils/_core/options/ip_config.py",
        "    if is_outside(parts, name) and own.network.num_addresses > 1:",
        "    if False:",
        ("tests/unit/module_utils/_drivers/proxmox/test_cloud_init.py::test_invalid_values_are_rejected",),
    ),
)
