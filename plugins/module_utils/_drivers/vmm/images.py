# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vmd: what an image must have for a VM."""

from __future__ import annotations

from ..._media import unpack
from ..._media.choose import QEMU_IMG, Needs
from ..._media.images import Images
from ..._ports import host


class VmdImages(Images):
    """The images of a host with vmd."""

    def needs(self, _request):
        """Return the Needs of a new VM.

        vmd cannot read the compressed qcow2 images of vendors (vioqcow2.c), and raw ones are several times as large.
        """
        return Needs(
            platform="vmd",
            architecture=host.architecture(),
            formats=() if unpack.converters(self._driver.commands, QEMU_IMG) else ("raw",),
            target="qcow2",
            firmware="bios",
            serial_console=True,
        )
