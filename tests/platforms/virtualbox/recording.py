# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The port to programs of a task on a VirtualBox, real or double: it records calls, and acts as another client."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands, Completed


class RecordingCommands(Commands):
    """Records the calls of VBoxManage.

    ``before`` and ``after`` are {word: function}: called just before or after the first call with that word, to act as
    another client. ``fails`` is {word: text}: the first call with that word does nothing and fails with the text.
    """

    def __init__(self, before=None, after=None, fails=None):
        self._before, self._after, self._fails = dict(before or {}), dict(after or {}), dict(fails or {})
        self.calls = []

    def run(self, argv, **options):
        if not argv[0].endswith("VBoxManage"):
            return self.run_program(argv, **options)
        self.calls.append(tuple(argv[1:]))
        _act(self._before, argv)
        for word in self._fails.keys() & set(argv):
            return Completed(tuple(argv), 1, "", f"VBoxManage: error: {self._fails.pop(word)}\n")
        completed = self.run_program(argv, **options)
        _act(self._after, argv)
        return completed

    def run_program(self, argv, **options):
        """Run a program, also one that is not VBoxManage."""
        return super().run(argv, **options)


def _act(functions, argv):
    for word in functions.keys() & set(argv):
        functions.pop(word)()
