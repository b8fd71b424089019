# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the shared options a platform has, and what to use instead of the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Callable

from ..errors import Unsupported
from ..frozen import Frozen, field, replace
from .option_errors import misshapen, misspelt


class Platform(Frozen, eq=False):
    """``lacks``: {path: what to use instead} of the shared options, suboptions and choices that it never supports.

    Examples of paths: ``os_type``, ``networks.vlan``, ``networks.type=hostonly``. ``per_driver``: options of VMs that
    are arguments of the driver, like those of the connection; VMs that differ in them need different drivers.
    ``canonical_id`` returns the ID of a VM as the platform prints it.
    """

    name: str
    lacks: Mapping = field(default_factory=dict)
    per_driver: tuple = ()
    canonical_id: Callable = str

    def supported(self, options):
        """Return ``options`` without those that the platform lacks."""
        return _without(options, set(self.lacks))

    def rejected(self, params, options):
        """Return the error for the first option that the platform lacks or Ansible cannot explain, or None."""
        for path, instead in self.lacks.items():
            where, _equals, choice = path.partition("=")
            name, _dot, suboption = where.partition(".")
            given = _given(params, where.split("."))
            if choice in [str(one).lower() for one in given] if choice else given:
                # In the short form, the user has written no suboption.
                shown = name if name in options and suboption and suboption == options[name].short else where
                return Unsupported(f"{shown}{choice and ': '}{choice} is not supported on {self.name}.", instead)
        return misshapen(params, options) or misspelt(params, options)


def _given(value, path):
    """Return the values that a task sets at a path; there may be one in each entry of a list."""
    if not path:
        return [value]
    entries = value if isinstance(value, list) else [value]
    found = [one[path[0]] for one in entries if isinstance(one, dict) and path[0] in one]
    return [given for one in found for given in _given(one, path[1:])]


def _without(options, lacks):
    return {
        name: replace(
            option,
            choices=_choices(name, option, lacks),
            options=_without(option.options, {path[len(name) + 1 :] for path in lacks if path.startswith(f"{name}.")}),
        )
        for name, option in options.items()
        if name not in lacks
    }


def _choices(name, option, lacks):
    choices = option.choices
    if option.type == "bool" and any(path.startswith(f"{name}=") for path in lacks):
        choices = (True, False)
    # The choices of purge are names of options, which the platform may lack.
    return [one for one in choices if f"{name}={one}".lower() not in lacks and one not in lacks]
