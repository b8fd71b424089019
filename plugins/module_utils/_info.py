# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every ``<platform>_vm_info`` returns: the host, and the machines on it. Never fails for a missing platform."""

from __future__ import annotations

from ._lifecycle.errors import NotFound, Unavailable
from ._lifecycle.model import Target
from ._lifecycle.request import check_name
from ._lifecycle.results import describe

_FACETS = frozenset({"power", "config", "snapshots", "addresses"})


def look_around(driver, params):
    """``{"host": ..., "vms": [...]}`` for the machines named (those that exist), or for all."""
    for name in params.get("name") or ():
        check_name(name)
    try:
        traits = driver.traits()
        observation = driver.observe(_targets(params), _FACETS)
    except Unavailable as error:
        return {"host": _absent_host(error), "vms": []}
    for error in observation.errors.values():
        if not isinstance(error, NotFound):
            raise error
    vms = [describe(vm, traits.platform) for vm in observation.vms]
    return {"host": _host(traits), "vms": vms}


def _targets(params):
    if params.get("id"):
        return [Target(id=params["id"])]
    return [Target(name=name) for name in params["name"]] if params.get("name") is not None else None


def _host(traits):
    return {
        "available": True,
        "configured": True,
        "version": traits.version,
        "message": f"{traits.platform} {traits.version} answers.",
        "why": None,
        "capabilities": capabilities(traits),
    }


def _absent_host(error):
    # An installed tool that does not answer is there, but not set up.
    return {
        "available": error.why == "not_responding",
        "configured": False,
        "version": None,
        "message": str(error),
        "why": error.why,
        "capabilities": None,
    }


def capabilities(traits):
    """What a platform can do, from its traits: {states, stop_modes, verbs, options}."""
    return {
        "states": sorted(traits.powers),
        "stop_modes": list(traits.stop_modes),
        "verbs": sorted(traits.verbs),
        "options": sorted({kind.split(".")[0] for kind in traits.fields}),
    }
