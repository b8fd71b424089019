# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of the host that the plans of a task share, such as its networks and the image of all new disks."""

from __future__ import annotations


class AskedOnce:
    """The answers to questions about the host. They are valid until the first step, and again after ``forget``.

    Only for checks before the first step. What a step overwrites or deletes is read directly before that.
    """

    def __init__(self):
        self._answers = {}

    def answer(self, question, ask):
        """Return the answer to a question (a hashable value); ``ask()`` reads it. An error is not kept."""
        if question not in self._answers:
            self._answers[question] = ask()
        return self._answers[question]

    def forget(self):
        self._answers = {}
