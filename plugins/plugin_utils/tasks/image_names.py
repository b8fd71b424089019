# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of images in the arguments of a task, and what the catalogue knows of them.

A module is shipped without the catalogue, and can read no files of the controller. So the action plugin adds the media
of a name, the user's mirrors, and, of an unknown name, all names that exist.
"""

from __future__ import annotations

from collections.abc import Mapping

OPTION, SOURCE, ADDED, DIRECTORY = "image", "source", "catalogue", "image_directory"
#: The module for images itself has names instead of the option.
NAMES = "name"


def with_catalogue(arguments, catalogue):
    """Return the arguments of a task with the suboption ``catalogue`` of each image that may be a name.

    ``catalogue(name)`` returns it. The values are as the user wrote them, and may be wrong.
    """
    changed = dict(arguments)
    if OPTION in arguments:
        changed[OPTION] = _image(arguments[OPTION], catalogue)
    machines = arguments.get("machines")
    if isinstance(machines, (list, tuple)):
        changed["machines"] = [
            {**entry, OPTION: _image(entry[OPTION], catalogue)}
            if isinstance(entry, Mapping) and OPTION in entry
            else entry
            for entry in machines
        ]
    return changed


def with_catalogue_of_names(arguments, catalogue):
    """Return the arguments of a task of the module image with the option ``catalogue``, {name: what is known of it}."""
    names = arguments.get(NAMES)
    names = names.split(",") if isinstance(names, str) else names  # Ansible reads such a text as a list.
    named = [one.strip() for one in names if isinstance(one, str)] if isinstance(names, (list, tuple)) else []
    return {**arguments, ADDED: {name: catalogue(name) for name in named if _may_be_name(name)}}


def _image(value, catalogue):
    image = {SOURCE: value} if isinstance(value, str) else value
    source = image.get(SOURCE) if isinstance(image, Mapping) else None
    return {**image, ADDED: catalogue(source)} if isinstance(source, str) and _may_be_name(source) else value


def _may_be_name(source):
    """Paths, addresses, volumes and boxes have one of these characters; the module decides what else it may be."""
    return not set(source) & set("/\\:")
