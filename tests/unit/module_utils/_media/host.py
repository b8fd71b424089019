# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of a host of no platform."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._media import images as product
from ansible_collections.polyvirt.core.plugins.module_utils._media.choose import Needs

NEEDS = Needs("libvirt", "amd64", ("qcow2", "raw"))


class Images(product.Images):
    """The images of a host on which each new VM has these needs."""

    def __init__(self, directory, needs=NEEDS):
        super().__init__(directory)
        self.needs = lambda _request: needs
