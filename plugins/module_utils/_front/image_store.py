# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules about the images that a host keeps: ``image`` and ``image_info``, for all platforms that keep some."""

from __future__ import annotations

import os
from typing import Callable, NamedTuple

from .._core.errors import InvalidInput
from .._core.frozen import replace
from .._core.options.option import LOOKED_UP, TIMEOUT, VM, Connection, Option
from .._core.options.platform import Platform
from .._drivers.hyperv.options import HYPERV
from .._drivers.proxmox.options import CONNECTION as PROXMOX_CONNECTION
from .._drivers.proxmox.options import PROXMOX
from .._drivers.vbox.options import CONNECTION as VBOX_CONNECTION
from .._drivers.vbox.options import VIRTUALBOX
from .._drivers.virsh.options import CONNECTION as VIRSH_CONNECTION
from .._drivers.virsh.options import LIBVIRT
from .._drivers.vmm.options import CONNECTION as VMM_CONNECTION
from .._drivers.vmm.options import VMM
from .._drivers.wsl.options import WSL
from .._media import store_tasks
from .declaration import Declaration, changing

# A driver is imported when its platform is used.


def _hyperv(params):
    from .._drivers.hyperv.driver import make_driver

    return make_driver(params)


def _proxmox(params):
    from .._drivers.proxmox.driver import make_driver
    from .._drivers.proxmox.images import HostOfImages

    return HostOfImages(make_driver(params))


def _vbox(params):
    from .._drivers.vbox.driver import make_driver

    return make_driver(params)


def _virsh(params):
    from .._drivers.virsh.driver import make_driver

    return make_driver(params)


def _vmm(params):
    from .._drivers.vmm.driver import make_driver

    return make_driver(params)


def _wsl(params):
    from .._drivers.wsl.driver import make_driver

    return make_driver(params)


class _Keeper(NamedTuple):
    """A platform that keeps images on its hosts. ``make_driver(params)`` returns what store_tasks.py needs of it.

    ``checks_directory``: the driver checks image_directory, which is no path of the host where the task runs.
    """

    platform: Platform
    connection: dict
    make_driver: Callable
    checks_directory: bool = False


_OF_NODE = {"node": Connection(), "image_storage": Connection()}
_LACKED_BY_NODES = {**PROXMOX.lacks, "image_directory": "Set image_storage to a storage with the content Import."}
_KEEPERS = {
    "libvirt": _Keeper(LIBVIRT, VIRSH_CONNECTION, _virsh),
    "virtualbox": _Keeper(VIRTUALBOX, VBOX_CONNECTION, _vbox),
    "vmd": _Keeper(VMM, VMM_CONNECTION, _vmm),
    "hyperv": _Keeper(HYPERV, {}, _hyperv, checks_directory=True),
    "proxmox": _Keeper(replace(PROXMOX, lacks=_LACKED_BY_NODES), {**PROXMOX_CONNECTION, **_OF_NODE}, _proxmox),
    "wsl": _Keeper(WSL, {}, _wsl, checks_directory=True),
}
#: Options of connections that not all of these platforms have; their defaults are those of the platform.
_CONNECTION = {
    "uri": Connection(),
    "executable": Connection(),
    "config_file": Connection("path"),
    **PROXMOX_CONNECTION,
    **_OF_NODE,
}
INFO_OPTIONS = {
    "platform": Connection(choices=tuple(_KEEPERS), required=True),
    "image_directory": Connection("path"),
    **_CONNECTION,
}
OPTIONS = {
    "name": Option("list", elements="str", has_password=True),
    "path": Option("path", absolute=True),
    "state": Option(choices=("present", "absent"), default="present"),
    **INFO_OPTIONS,
    "architecture": VM["architecture"],
    "firmware": Option(choices=("bios", "uefi")),
    **LOOKED_UP,
    "from_vm": Option(
        "dict",
        options={
            "name": Option(required=True),
            "inputs": Option(required=True),
            "sealed": Option(),
            "record": Option("dict", default={}),
        },
    ),
    "timeout": TIMEOUT,
}
#: Platforms on which the disk of a VM can become an image.
_OF_VMS = ("libvirt",)
#: Platforms with images on the host of the task.
_LOCAL = ("libvirt", "virtualbox", "vmd")


def image_module():
    """The module ``image``."""
    return changing(OPTIONS, _answer)


def image_info_module():
    """The module ``image_info``."""
    return Declaration({**INFO_OPTIONS, "architecture": VM["architecture"]}, _report)


def _answer(params, check, approval):
    if params["path"]:
        return _absent_file(params, check, approval)
    if not params["name"]:
        raise InvalidInput("name: set the names of images, or path to remove the image at a path.")
    if params["from_vm"]:
        _check_from_vm(params)
    driver = _driver(params, OPTIONS)
    if params["from_vm"]:
        # Few tasks do that.
        from .._media import golden

        return golden.present(driver, params, check, approval)
    if params["state"] == "absent":
        return _with_node(driver, store_tasks.absent(driver, params, check, approval))
    if params["checksum"] and len(params["name"]) > 1:
        raise InvalidInput("checksum: it is that of a single image, but name has several.", "Use a task for each.")
    return _with_node(driver, store_tasks.present(driver, params, check, approval))


def _absent_file(params, check, approval):
    others = [name for name in ("name", "from_vm", "architecture", "firmware") if params.get(name)]
    if others or params["state"] != "absent":
        raise InvalidInput(
            f"path: {', '.join(others) or 'state: present'} cannot be used with it.",
            "It only removes the image at a path: set state: absent.",
        )
    if params["platform"] not in _LOCAL:
        raise InvalidInput(f"path: not supported on {params['platform']}.", "Remove the image by hand.")
    return store_tasks.absent_file(_driver(params, OPTIONS), params["path"], check, approval)


def _check_from_vm(params):
    if params["platform"] not in _OF_VMS:
        raise InvalidInput(
            f"from_vm: golden images are not supported on {params['platform']}.",
            f"Build it on {', '.join(_OF_VMS)}, and publish it: other platforms use it by its name.",
        )
    needless = [name for name in (*LOOKED_UP, "architecture", "firmware") if name != "catalogue" and params.get(name)]
    if needless or params["state"] == "absent":
        raise InvalidInput(
            f"from_vm: {', '.join(needless) or 'state: absent'} cannot be used with it.",
            "The image is a copy of the disk of the VM. Omit one of the options.",
        )


def _report(params, _check):
    driver = _driver(params, INFO_OPTIONS)
    return _with_node(driver, store_tasks.report(driver, params.get("architecture")))


def _with_node(driver, result):
    """The result with the node of a cluster that has the images."""
    return {**result, "node": driver.node} if hasattr(driver, "node") else result


def _driver(params, options):
    keeper = _KEEPERS[params["platform"]]
    given = {name: value for name, value in params.items() if value is not None}
    for name in _CONNECTION:
        if name in given and name not in keeper.connection:
            raise InvalidInput(f"{name}: {params['platform']} has no such option.", "Omit it.")
    # The suboptions of the option image are options here.
    lacks = {path.removeprefix("image."): instead for path, instead in keeper.platform.lacks.items()}
    rejected = replace(keeper.platform, lacks=lacks).rejected(given, options)
    if rejected:
        raise rejected
    if not keeper.checks_directory and not os.path.isabs(given.get("image_directory", "/")):
        raise InvalidInput(f"image_directory: {given['image_directory']} is not an absolute path.")
    defaults = {name: option.default for name, option in keeper.connection.items()}
    return keeper.make_driver({**defaults, **given})
