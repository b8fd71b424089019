# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of definitions that libvirt judges: verdicts ignored or invented, values that it drops accepted."""

from __future__ import annotations

from .mutation import Mutation

_ROOM = "_drivers/virsh"
_TESTS = "tests/unit/module_utils/_drivers/virsh"
_FIRST, _DEFINITION = [f"{_TESTS}/test_judge.py"], [f"{_TESTS}/test_definition.py"]
_HOST = [f"{_TESTS}/test_checks_of_host.py"]
_DEVICES = ["tests/unit/module_utils/_tools/test_qemu_devices.py"]
_NETWORKS, _COSTS = ["tests/unit/module_utils/_hosts/libvirt/test_network_plan.py"], ["tests/unit/tables/test_costs.py"]

MUTATIONS = (
    Mutation(
        "letters-of-a-mac-count",
        "_kit/native_paths.py::same_text",
        "found.lower() == requested.lower()",
        "False",
        ["tests/unit/module_utils/_hosts/libvirt/test_network_native.py"],
    ),
    Mutation(
        "log-that-was-given-up-remains-recorded",
        "_drivers/virsh/configure.py::_former_log",
        'former in (mark or {}).get("files", ())',
        "False",
        ["tests/unit/module_utils/_drivers/virsh/test_configure.py"],
    ),
    Mutation("old-problem-rejects-the-change", _ROOM, "reason == reason_of_stored", "False", _FIRST),
    Mutation("any-problem-of-the-stored-one-excuses", _ROOM, "reason == reason_of_stored", "reason_of_stored", _FIRST),
    Mutation(
        "libvirt-that-cannot-judge-rejects",
        _ROOM,
        "cannot_say(answer.error) or folder in answer.error",
        "folder in answer.error",
        _FIRST,
    ),
    Mutation(
        "file-that-virsh-does-not-see-rejects",
        _ROOM,
        "cannot_say(answer.error) or folder in answer.error",
        "cannot_say(answer.error)",
        _FIRST,
    ),
    Mutation("device-of-the-host-is-judged", _ROOM, "for path in _OF_PREPARED_HOSTS:\n    ...", "pass", _FIRST),
    Mutation(
        "dropped-value-is-accepted", "_kit/native_paths.py", "if not is_kept:\n    ...", "if False:\n    ...", _FIRST
    ),
    Mutation("value-of-qemu-is-compared", "_kit/native_paths.py", '":" in key', "False", _FIRST),
    Mutation(
        "contradicting-paths-are-accepted",
        _ROOM,
        "if not definition.has_native(key, value, same_native):\n    ...",
        "if False:\n    ...",
        _FIRST,
    ),
    Mutation("copy-for-the-test-driver-keeps-its-uuid", _ROOM, 'copy.remove("uuid")', "pass", _FIRST),
    Mutation(
        "unchanged-definition-is-judged",
        _ROOM,
        "before and before.content[0] == definition.content[0]",
        "False",
        _FIRST,
    ),
    Mutation(
        "verdict-of-another-plan",
        _ROOM,
        "_key(plan) not in self._cases or self._cases[_key(plan)].steps != _storing(plan)",
        "_key(plan) not in self._cases",
        _FIRST,
    ),
    Mutation("gap-in-a-list", "_tools", "position and int(position) != count + 1", "False", _DEFINITION),
    Mutation(
        "disk-of-a-paused-vm-is-detached-live",
        _ROOM,
        "NEXT_BOOT if vm.power == PAUSED else _cost_of_hot_plug(vm, change)",
        "_cost_of_hot_plug(vm, change)",
        _COSTS,
    ),
    Mutation("names-without-a-dns-server", "_hosts", "unused is not None and len(unused)", "False", _NETWORKS),
    Mutation(
        "dropped-value-of-a-network-is-accepted",
        "_hosts/libvirt/network_host.py",
        'definitions if self._wanted["native"] else ()',
        "()",
        ["tests/unit/module_utils/_hosts/libvirt/test_network_native.py"],
    ),
    Mutation(
        "network-that-the-test-driver-rejects",
        "_hosts/libvirt/network_host.py",
        "not (defined.error or printed.error)",
        "True",
        ["tests/unit/module_utils/_hosts/libvirt/test_network_native.py"],
    ),
    Mutation("device-that-qemu-lacks-is-accepted", _ROOM, "self._reason_of_qemu(answer.stdout)", "None", _FIRST),
    Mutation("device-of-another-host-is-asked-here", f"{_ROOM}/judge.py", "not self._driver.is_local", "False", _FIRST),
    Mutation(
        "emulator-that-fails-has-no-devices",
        _ROOM,
        'completed.stdout if completed.rc == 0 else ""',
        "completed.stdout",
        _FIRST,
    ),
    Mutation(
        "alias-of-a-device-is-unknown",
        "_tools/qemu_devices.py",
        "{name for names in _NAME.findall(text) for name in names}",
        "{name for names in _NAME.findall(text) for name in names[:1]}",
        _DEVICES,
    ),
    Mutation("usual-device-is-asked", "_tools/qemu_devices.py", "name not in _USUAL", "True", _DEVICES),
    Mutation("vm-larger-than-the-ram-has-no-warning", f"{_ROOM}/host_checks.py", "needed <= ram", "True", _HOST),
    Mutation("swap-counts-as-ram", f"{_ROOM}/host_checks.py", "needed <= ram", "needed <= ram + _swap", _HOST),
    Mutation(
        "overcommit-permits-mistakes",
        f"{_ROOM}/host_checks.py",
        "is_mistake or (_starts(plan) and not _grants_any_amount())",
        "(is_mistake or _starts(plan)) and not _grants_any_amount()",
        _HOST,
    ),
)
