# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules about the images that a host keeps: ``image`` and ``image_info``, for all platforms that keep some."""

from __future__ import annotations

import os
from typing import Callable, NamedTuple

from .._core.errors import InvalidInput
from .._core.options import LOOKED_UP, TIMEOUT, Option, Platform
from .._drivers.vbox import driver as vbox
from .._drivers.vbox.options import CONNECTION as VBOX_CONNECTION
from .._drivers.vbox.options import VIRTUALBOX
from .._drivers.virsh import driver as virsh
from .._drivers.virsh.options import CONNECTION as VIRSH_CONNECTION
from .._drivers.virsh.options import LIBVIRT
from .._drivers.vmm import driver as vmm
from .._drivers.vmm.options import CONNECTION as VMM_CONNECTION
from .._drivers.vmm.options import VMM
from .._media import store_tasks
from .declaration import Declaration, changing


class _Keeper(NamedTuple):
    """A platform that keeps images in a directory of its host."""

    platform: Platform
    connection: dict
    make_driver: Callable


_KEEPERS = {
    "libvirt": _Keeper(LIBVIRT, VIRSH_CONNECTION, virsh.make_driver),
    "virtualbox": _Keeper(VIRTUALBOX, VBOX_CONNECTION, vbox.make_driver),
    "vmd": _Keeper(VMM, VMM_CONNECTION, vmm.make_driver),
}
#: Options of connections that not all of these platforms have; their defaults are those of the platform.
_CONNECTION = {"uri": Option(), "executable": Option(), "config_file": Option("path")}
INFO_OPTIONS = {
    "platform": Option(choices=tuple(_KEEPERS), required=True),
    "image_directory": Option("path"),
    **_CONNECTION,
}
OPTIONS = {
    "name": Option("list", elements="str", required=True, has_password=True),
    "state": Option(choices=("present", "absent"), default="present"),
    **INFO_OPTIONS,
    "firmware": Option(choices=("bios", "uefi")),
    **LOOKED_UP,
    "timeout": TIMEOUT,
}


def image_module():
    """The module ``image``."""
    return changing(OPTIONS, _answer)


def image_info_module():
    """The module ``image_info``."""
    return Declaration(INFO_OPTIONS, lambda params, _check: store_tasks.report(_driver(params, INFO_OPTIONS)))


def _answer(params, check, approval):
    driver = _driver(params, OPTIONS)
    if params["state"] == "absent":
        return store_tasks.absent(driver, params, check, approval)
    if params["checksum"] and len(params["name"]) > 1:
        raise InvalidInput("checksum: it is that of a single image, but name has several.", "Use a task for each.")
    return store_tasks.present(driver, params, check, approval)


def _driver(params, options):
    keeper = _KEEPERS[params["platform"]]
    given = {name: value for name, value in params.items() if value is not None}
    for name in _CONNECTION:
        if name in given and name not in keeper.connection:
            raise InvalidInput(f"{name}: {params['platform']} has no such option.", "Omit it.")
    rejected = keeper.platform.rejected(given, options)
    if rejected:
        raise rejected
    if not os.path.isabs(given.get("image_directory", "/")):
        raise InvalidInput(f"image_directory: {given['image_directory']} is not an absolute path.")
    defaults = {name: option.default for name, option in keeper.connection.items()}
    return keeper.make_driver({**defaults, **given})
