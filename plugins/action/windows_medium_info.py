# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ..plugin_utils.tasks.bytecode import bytecode

with bytecode():
    from ..plugin_utils.tasks.in_process import InProcess


class ActionModule(InProcess):
    def run(self, tmp=None, task_vars=None):
        if not getattr(self._connection._shell, "_IS_WINDOWS", False):
            return super().run(tmp, task_vars)
        # Few hosts run Windows.
        from ..plugin_utils.tasks.of_images import SameOnWindows

        return SameOnWindows(self).run(tmp, task_vars)
