# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Provisioners, and the environment variables of a project, which may hold secrets."""

from __future__ import annotations

from ...._core.errors import Refused
from ...._core.model import Secret


def automatic(provisioners):
    """The provisioners that Vagrant runs automatically; others (run: never) run only if requested by name."""
    return [one for one in provisioners or () if one.get("run") != "never"]


def read_provisioners(described):
    return tuple(_with_masked_env(one) for one in described.get("provisioners") or ())


def _with_masked_env(described):
    return {**described, **({"env": masked(described["env"])} if "env" in described else {})}


def masked(variables):
    """Variables with their values as Secret."""
    return {name: Secret(value) for name, value in variables.items()}


def normalized_provisioners(vm, provisioners):
    return tuple(_normalized(vm, one) for one in provisioners)


def _normalized(vm, provisioner):
    """A requested provisioner without empty values, which a description does not have either."""
    given = {key: value for key, value in provisioner.items() if value not in (None, [], {})}
    return {**given, **({"env": checked_variables(vm, "provisioners.env", given["env"])} if given.get("env") else {})}


def checked_variables(vm, option, variables):
    for name, value in variables.items():
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise Refused(f"{vm.name}: {option}: the value of {name} is not a string.", "Quote it, or remove it.")
    return masked(variables)
