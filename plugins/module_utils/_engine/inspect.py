# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module that only tells returns: the host, and what is on it. Never fails for a missing platform."""

from __future__ import annotations

from .._lifecycle.compare import check_content, differences, points
from .._lifecycle.errors import NotFound, Refused, Unavailable
from .._lifecycle.model import Target
from .._lifecycle.options import FACETS
from .._lifecycle.plan_make import check_identity, known_names
from .._lifecycle.request import check_names, comparison
from .._lifecycle.results import describe, describe_snapshots

_ALWAYS = frozenset({"power", "unfinished"})
_SNAPSHOT_FACETS = frozenset({"power", "config", "snapshots"})


def look_around(driver, params):
    """``{"host": ..., "vms": [...], "warnings": [...]}`` for the VMs named (those that exist), or for all."""
    facets = _ALWAYS.union(params.get("facets") or FACETS["facets"].default)
    return _looked(driver, params, facets, lambda traits, seen: [describe(vm, traits.platform) for vm in seen.vms])


def look_at_snapshots(driver, params):
    """The same of their snapshots, and of one machine the differences between two points of its history."""
    asked = comparison(params)
    if asked is None:
        return _looked(
            driver, params, _SNAPSHOT_FACETS, lambda traits, seen: [_snapshots(driver, vm) for vm in seen.vms]
        )
    facets = _SNAPSHOT_FACETS | {"snapshot_configs"}
    return _looked(driver, params, facets, lambda traits, seen: [_compared(driver, traits, _only(seen, params), asked)])


def _looked(driver, params, facets, tell):
    """``tell`` makes the entries of ``vms`` from traits and observation."""
    check_names(params.get("name"), params.get("id"))
    try:
        traits = driver.traits()
        observation = driver.observe(_targets(params), facets)
    except Unavailable as error:
        return {"host": _absent_host(error), "vms": [], "warnings": []}
    for error in observation.errors.values():
        if not isinstance(error, NotFound):
            raise error
    _check_identities(observation.vms, params, traits)
    warnings = list(dict.fromkeys(observation.warnings))
    return {"host": _host(traits), "vms": tell(traits, observation), "warnings": warnings}


def _check_identities(vms, params, traits):
    for vm in vms:
        for name in params.get("name") or ():
            check_identity(vm, params.get("id"), name, traits)


def _snapshots(driver, vm):
    # Only a platform whose images can hold snapshots unknown to it can be asked for them.
    found = driver.leftovers(vm) if hasattr(driver, "leftovers") else ()
    return {
        "name": vm.name,
        "id": vm.id,
        "snapshots": describe_snapshots(vm),
        "leftovers": None if found is None else [{"file": file, "snapshot": name} for file, name in found],
    }


def _only(observation, params):
    """The one machine that is to be compared."""
    label = params.get("id") or params["name"][0]
    if not observation.vms:
        raise NotFound(f"{label}: there is no such machine.", known_names(observation.known))
    if len(observation.vms) > 1:
        ids = ", ".join(sorted(str(vm.id) for vm in observation.vms))
        raise Refused(f"{label}: {len(observation.vms)} machines have this name.", f"Name one by its id: {ids}.")
    return observation.vms[0]


def _compared(driver, traits, vm, asked):
    before, after = points(vm, asked)
    told = {**_snapshots(driver, vm), "differences": differences(vm, before, after)}
    if asked.content:
        check_content(vm, traits)
        found = driver.compare_content(vm, before, after)
        told["content"] = [_without_text(one) for one in found] if not asked.text else found
    return told


def _without_text(change):
    """A file may hold a secret, so what is in it is told only where that was asked."""
    return {key: value for key, value in change.items() if key != "text"}


def _targets(params):
    if params.get("id"):
        return [Target(id=params["id"])]
    return [Target(name=name) for name in params["name"]] if params.get("name") is not None else None


def _host(traits):
    return {
        "available": True,
        "configured": True,
        "version": traits.version or None,
        # Without a version only a start of the tool would tell more.
        "message": f"{traits.platform} {f'{traits.version} answers' if traits.version else 'is installed'}.",
        "why": None,
        "capabilities": capabilities(traits),
    }


def _absent_host(error):
    # An installed tool that does not answer, or not as is needed, is there, but not set up.
    return {
        "available": error.why in ("not_responding", "too_old"),
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
