# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of info modules: platforms that do not answer, consoles, and files of described VMs."""

from __future__ import annotations

from mutations.mutation import Mutation

_TESTS = "tests/unit/module_utils/_engine"

MUTATIONS = (
    Mutation(
        "platform-that-does-not-answer-is-no-warning",
        "_engine::_about_no_answer",
        "required is False",
        "not required",
        [f"{_TESTS}/test_inspect.py"],
    ),
    Mutation(
        "required-platform-may-be-missing",
        "_engine::_about_no_answer",
        "if required:\n    ...",
        "if False:\n    ...",
        [f"{_TESTS}/test_inspect.py"],
    ),
    Mutation(
        "control-characters-of-a-console-are-shown",
        "_core::_shown",
        "unicodedata.category(one) not in _HIDDEN",
        "True",
        ["tests/unit/module_utils/_core/results/test_console.py"],
    ),
    Mutation(
        "console-follows-a-link",
        "_ports::read_end",
        "os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK",
        "os.O_RDONLY | os.O_NONBLOCK",
        ["tests/unit/module_utils/_ports/test_files.py"],
    ),
    Mutation(
        "log-of-another-host-is-read-here",
        "_kit",
        "paths and elsewhere",
        "False",
        ["tests/unit/module_utils/_drivers/virsh/test_console.py"],
    ),
    Mutation(
        "file-that-a-person-changed-is-overwritten",
        "plugins/plugin_utils/described",
        "old is None or replaces or is_unchanged(old)",
        "True",
        ["tests/unit/plugin_utils/test_describe_files.py"],
    ),
    Mutation(
        "fleet-of-one-vm-becomes-that-of-all",
        "plugins/plugin_utils/described",
        'dict.fromkeys(one.task.get("fleet") for one in _1)',
        'dict.fromkeys(one.task.get("fleet") for one in _1[-1:])',
        ["tests/unit/plugin_utils/test_described.py"],
    ),
    Mutation(
        "task-is-sent-to-a-host-that-is-no-windows-host",
        "plugins/plugin_utils/tasks/on_windows.py",
        'not getattr(self._connection._shell, "_IS_WINDOWS", False)',
        "False",
        ["tests/unit/plugin_utils/test_on_windows.py"],
    ),
)
