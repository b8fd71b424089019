# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin of the modules about images: a task runs where the modules of its platform run."""

from __future__ import annotations

from .in_process import LIBRARIES, InProcess
from .on_windows import OnWindows
from .over_platforms import defaults_of
from .routing import parts_of

#: Platforms whose tasks run on the controller and send calls to a Windows host.
_ON_WINDOWS = ("hyperv", "wsl")
#: Platforms that keep images elsewhere than in a directory.
_WITHOUT_DIRECTORY = ("proxmox",)


class ImageAction(InProcess):
    def run(self, tmp=None, task_vars=None):
        platform = self._task.args.get("platform")
        defaults = defaults_of(self._task, self._templar, f"group/polyvirt.core.{platform}")
        # Other options of the group are for the modules about VMs.
        known = {name: value for name, value in defaults.items() if name in self.module.options}
        self._task.args = {**known, **self._task.args}
        if platform in _ON_WINDOWS:
            return SameOnWindows(self).run(tmp, task_vars)
        self.libraries = LIBRARIES.get(platform, ())
        return super().run(tmp, task_vars)

    def _image_directory(self):
        return None if self._task.args.get("platform") in _WITHOUT_DIRECTORY else super()._image_directory()


class SameOnWindows(OnWindows):
    """The same task as that of another action plugin, on a Windows host."""

    def __init__(self, action):
        super().__init__(task=action._task, **parts_of(action))
        self.module = action.module
