# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of VMs and of this VirtualBox beside settings, and what options are to be read with."""

from __future__ import annotations

import re

from ..._tools import vboxmanage_output as output

#: Descriptions of operating systems have blanks or parentheses, ids have none.
_DESCRIPTION = re.compile(r"[ ()/]")


class Known:
    """Filled by each observation: folders of VMs, and their controllers as {name: bus}, by UUID."""

    def __init__(self, tool=None):
        self._tool, self._os_types = tool, None
        self.folders, self.controllers = {}, {}

    def os_type(self, text):
        """The id of an operating system that VirtualBox describes by ``text``; everything else as it is."""
        if self._tool is None or not _DESCRIPTION.search(text):
            return text
        if self._os_types is None:
            found = output.ostypes(self._tool.read("list", "ostypes"))
            self._os_types = {one.description.lower(): one.id for one in found}
        return self._os_types.get(text.lower(), text)
