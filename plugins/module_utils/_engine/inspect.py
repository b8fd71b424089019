# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create the results of info modules: the host and its VMs. A platform that does not answer is a warning by default."""

from __future__ import annotations

from collections import Counter

from .._core.errors import NotFound, Refused, Unavailable, unexpected
from .._core.model import LIST, Target
from .._core.options.identity import check_identity, known_names
from .._core.options.option import FACETS
from .._core.options.request import check_names, comparison, console_lines
from .._core.planner.drives import options_of
from .._core.record.mark import damage_warnings
from .._core.results.compare import check_content, differences, facets_for, matches, points
from .._core.results.console import ConsoleLog, describe_console
from .._core.results.vm_result import describe, describe_counters, describe_snapshots

_ALWAYS = frozenset({"power", "unfinished"})
_SNAPSHOT_FACETS = frozenset({"power", "config", "snapshots"})
#: What is read to describe VMs as tasks.
_DESCRIBED = frozenset({"config", "native"})


def report_vms(driver, params, platform, options=None):
    """Return ``{"host": ..., "vms": [...], "warnings": [...]}`` for the requested VMs that exist, or for all VMs.

    ``platform`` is its name, for messages. ``options`` are those of the module that changes VMs of this platform.
    """
    filters = params.get("filters")
    requested = frozenset(params.get("facets") or FACETS["facets"].default) | facets_for(filters)
    requested |= _DESCRIBED if params.get("describe") else frozenset()
    # With other facets, each VM is read anyway, so "list" is not needed.
    facets = requested if requested == LIST else _ALWAYS | (requested - LIST)

    lines = console_lines(params)

    def entry(vm, traits, known, log):
        counters = {"counters": describe_counters(vm)} if "counters" in facets else {}
        task = _as_task(vm, traits, options, params, known) if params.get("describe") else {}
        console = {"console": describe_console(log, vm, traits, lines)} if log else {}
        return {**describe(vm, traits.platform), **counters, **console, **task}

    def entries(traits, found):
        known = Counter(found.known) | Counter(vm.name for vm in found.vms)
        vms = [vm for vm in found.vms if matches(vm, filters, params.get("controller_time"))]
        logs = _console_logs(driver, vms) if lines else [None] * len(vms)
        return [entry(vm, traits, known, log) for vm, log in zip(vms, logs)]

    return _report(driver, params, platform, facets, entries)


def _as_task(vm, traits, options, params, known):
    """Return the task that keeps the VM as it is, as keys of its result."""
    # Imported here because most tasks do not need the planner.
    from .._core.results.task_of import UNSUPPORTED, Omission, task_of

    # Of several VMs with one name, only those of the request may have been listed.
    is_ambiguous = known[vm.name] > 1 or (bool(params.get("id")) and not traits.unique_names)
    try:
        task, not_described = task_of(vm, traits, options, params, is_ambiguous)
    except Exception as error:  # A VM that cannot be described does not hide the others.
        task, not_described = None, [Omission(("state",), UNSUPPORTED, str(unexpected(error))).shown()]
    return {"task": task, "not_described": not_described}


def _console_logs(driver, vms):
    return driver.consoles(vms) if hasattr(driver, "consoles") else [ConsoleLog()] * len(vms)


def report_snapshots(driver, params, platform):
    """Return the same with the snapshots of VMs, or with the differences between two snapshots of one VM."""
    requested = comparison(params)
    facets = _SNAPSHOT_FACETS | ({"snapshot_configs"} if requested else set())

    def entries(traits, found):
        if requested is None:
            return [_snapshots(driver, vm) for vm in found.vms]
        return [_compared(driver, traits, _single_vm(found, params), requested)]

    return _report(driver, params, platform, facets, entries)


def _report(driver, params, platform, facets, entries):
    """Observe and return the result; ``entries(traits, observation)`` returns the entries of ``vms``."""
    check_names(params.get("name"), params.get("id"))
    try:
        traits = driver.traits()
        observation = driver.observe(_targets(params), facets)
    except Unavailable as error:
        host = _with_host_facts(driver, _absent_host(error))
        return {"host": host, "vms": [], "warnings": _about_no_answer(host, platform, params.get("required"))}
    for error in observation.errors.values():
        if not isinstance(error, NotFound):
            raise error
    _check_identities(observation.vms, params, traits)
    warnings = list(dict.fromkeys([*observation.warnings, *damage_warnings(observation.vms)]))
    return {"host": _with_host_facts(driver, _host(traits)), "vms": entries(traits, observation), "warnings": warnings}


def _about_no_answer(host, platform, required):
    """Return the warnings about a platform that does not answer; raise if the task requires an answer."""
    if required:
        raise Unavailable(f"{platform} does not answer: {host['message']}", host["why"])
    if required is False:
        return []
    remedy = "Set required: true to fail instead, or required: false if the platform can be missing on this host."
    return [f"{platform} does not answer, so its VMs are not listed: {host['message']} {remedy}"]


def _check_identities(vms, params, traits):
    for vm in vms:
        for name in params.get("name") or ():
            check_identity(vm, params.get("id"), name, traits)


def _snapshots(driver, vm):
    # Only on some platforms, images can contain snapshots that the platform does not know.
    found = driver.leftovers(vm) if hasattr(driver, "leftovers") else ()
    return {
        "name": vm.name,
        "id": vm.id,
        "snapshots": describe_snapshots(vm),
        "leftovers": None if found is None else [{"file": file, "snapshot": name} for file, name in found],
    }


def _single_vm(observation, params):
    """Return the VM with the snapshots to compare."""
    label = params.get("id") or params["name"][0]
    if not observation.vms:
        raise NotFound(f"{label}: the VM does not exist.", known_names(observation.known, label))
    if len(observation.vms) > 1:
        ids = ", ".join(sorted(str(vm.id) for vm in observation.vms))
        raise Refused(f"{label}: {len(observation.vms)} VMs have this name.", f"Set id to one of {ids}.")
    return observation.vms[0]


def _compared(driver, traits, vm, requested):
    before, after = points(vm, requested)
    entry = {**_snapshots(driver, vm), "differences": differences(vm, before, after)}
    if requested.content:
        check_content(vm, traits)
        found = driver.compare_content(vm, before, after)
        entry["content"] = found if requested.text else [_without_text(one) for one in found]
    return entry


def _without_text(change):
    """Return the entry without the text of the file, which may contain secrets and is returned only on request."""
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
        # Without a version if it is unknown, because the tool would have to be started to read it.
        "message": f"{traits.platform} {f'{traits.version} answers' if traits.version else 'is installed'}.",
        "why": None,
        "capabilities": capabilities(traits),
    }


def _with_host_facts(driver, host):
    """Add further facts about the host, if the driver has any."""
    return {**host, **driver.host_facts()} if hasattr(driver, "host_facts") else host


def _absent_host(error):
    # A tool that does not answer, or is too old, is installed but cannot be used.
    return {
        "available": error.why in ("not_responding", "too_old"),
        "configured": False,
        "version": None,
        "message": str(error),
        "why": error.why,
        "capabilities": None,
    }


def capabilities(traits):
    """Return what a platform supports, from its traits: {states, stop_modes, verbs, options, ...}."""
    return {
        "states": sorted(traits.powers),
        "stop_modes": list(traits.stop_modes),
        "verbs": sorted(traits.verbs),
        "options": sorted(options_of(traits.fields)),
        "console": traits.console,
        "live_migration": traits.live_migration,
        "moving": traits.moving,
    }
