# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets: files with options of a VM, which are merged with the options of the user, and what is in the guest. Pure.

The scripts of a preset run in the guest by SSH. A distribution of WSL is not reached by SSH, so cloud-init runs them.
"""

from __future__ import annotations

import re

from ..tasks.registry import PLATFORMS

_KEYS = {"title": str, "platform": str, "distribution": str, "vm": dict}
_OPTIONAL = {"scripts": list}
_SCRIPT = re.compile(r"[a-z0-9][a-z0-9-]*")
#: The script that is put before all others of its directory.
COMMON = "common"
_WSL = "wsl"
#: Platforms with presets that name the box or the image themselves.
_WITH_IMAGE = (_WSL, "vagrant")


class InvalidPreset(Exception):
    """A preset is invalid; the message names the file and the key."""


def checked(document, source):
    """Return ``document``. Raises InvalidPreset if it is not a preset. ``source`` is its path (for messages)."""
    if not isinstance(document, dict):
        raise InvalidPreset(f"{source}: must be a mapping.")
    for key, kind in {**_KEYS, **{key: kind for key, kind in _OPTIONAL.items() if key in document}}.items():
        if not isinstance(document.get(key), kind):
            raise InvalidPreset(f"{source}: '{key}' must be a {kind.__name__}.")
    known = [*_KEYS, *_OPTIONAL]
    unknown = sorted(map(str, set(document) - set(known)))
    if unknown:
        raise InvalidPreset(f"{source}: unknown key '{unknown[0]}' (known: {', '.join(known)}).")
    if document["platform"] not in PLATFORMS:
        raise InvalidPreset(f"{source}: platform '{document['platform']}' is unknown (known: {', '.join(PLATFORMS)}).")
    for name in document.get("scripts", ()):
        if not isinstance(name, str) or not _SCRIPT.fullmatch(name):
            raise InvalidPreset(f"{source}: scripts: {name!r} is not a name of small letters, digits and dashes.")
    return document


def vm_from_preset(preset, overrides, texts=()):
    """Return an entry of ``machines`` of the module ``vm``. Mappings are merged, other values are replaced.

    ``texts`` are the scripts, which are a part of the VM only where cloud-init runs them.
    """
    vm = {"platform": preset["platform"], **preset["vm"]}
    data = user_data(preset, texts)
    if data:
        vm["cloud_init"] = merged(vm.get("cloud_init") or {}, {"user_data": data})
    return merged(vm, overrides)


def user_data(preset, texts):
    """Return the cloud-config that runs the scripts ``texts``; empty where they run by SSH.

    One command with all of them, because cloud-init reports the exit code of the last command only.
    """
    if preset["platform"] != _WSL or not texts:
        return {}
    return {"runcmd": [["/bin/sh", "-e", "-c", "\n".join(f"(\n{text.rstrip()}\n)" for text in texts)]]}


def whole(preset, texts):
    """Return a preset for the role ``vm`` and its playbooks. ``texts`` are those of its scripts."""
    in_cloud_init = user_data(preset, texts)
    image = "" if preset["platform"] in _WITH_IMAGE else preset["distribution"]
    by_ssh = [] if in_cloud_init else zip(preset.get("scripts", ()), texts)
    scripts = [{"name": name, "script": text} for name, text in by_ssh]
    return {**preset, "image": image, "user_data": in_cloud_init, "scripts": scripts}


def merged(first, second):
    """Return ``first`` updated with ``second``; a null in ``second`` removes the key."""
    result = {key: value for key, value in first.items() if second.get(key, value) is not None}
    for key, value in second.items():
        if isinstance(value, dict) and isinstance(first.get(key), dict):
            result[key] = merged(first[key], value)
        elif value is not None:
            result[key] = value
    return result
