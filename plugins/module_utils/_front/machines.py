# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs of one task that differ: each entry of ``machines`` overrides the options of the task."""

from __future__ import annotations

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .._core.errors import InvalidInput, PolyvirtError
from .._core.options.option import CONNECTION, NEEDS_PRUNE, OF_TASK, argument_spec
from .._core.options.option_errors import check_shape, error_messages
from .._core.options.request import SOURCES, check_unique, prune_max, pruning_policy, requests
from .._core.results.approval import EXPECTED
from .._engine.together import Pruning, run_together
from .declaration import in_full

_PRUNING = ("machines", "prune", "prune_max", *NEEDS_PRUNE)


def run_machines(params, options, platform, make_driver, check, approval):
    """The Outcome of a task with ``machines`` or ``prune``. Raises InvalidInput."""
    described = list(_each(params, options, platform))
    asked = [request for _params, wanted in described for request in wanted]
    check_unique(asked, options)
    pruning = _pruning(params, options)
    of_tasks = _of_connections(params, described, options) if pruning else []
    groups = _grouped([*described, *((of_task, None) for of_task in of_tasks)], options, platform)
    parts = [(make_driver(of_group), wanted, prunes) for of_group, wanted, prunes in groups]
    return run_together(parts, asked, check, pruning, approval)


def _each(params, options, platform):
    """(parameters in full, requests) of each entry, after those of the task itself if it names a VM."""
    task = {name: params.get(name) for name in options if name not in _PRUNING}
    entries = params.get("machines") or ()
    if task.get("name") or task.get("id") or not entries:
        yield task, requests(task, options)
    shared = {name: value for name, value in task.items() if name not in ("name", "id") and value is not None}
    for place, entry in enumerate(entries):
        try:
            described = _entry(shared, entry, options, platform)
            yield described, requests(described, options)
        except PolyvirtError as error:
            label = " ".join(filter(None, (f"machines[{place}]", _named(entry))))
            raise InvalidInput(f"{label}: {error.message}", error.remedy) from error


def _named(entry):
    return f"({entry['name']})" if isinstance(entry.get("name"), str) else ""


def _entry(shared, entry, options, platform):
    of_task = [name for name in (*OF_TASK, EXPECTED) if name in entry]
    if of_task:
        raise InvalidInput(
            f"{of_task[0]} is an option of the task as a whole.", "Set it next to machines, not in an entry."
        )
    replaced = {name for name, option in options.items() if set(option.aliases) & set(entry)}
    replaced.update(SOURCES if any(entry.get(name) for name in SOURCES) else ())
    merged = {**{name: value for name, value in shared.items() if name not in replaced}, **entry}
    check_shape(merged, options)
    validated = ArgumentSpecValidator(argument_spec(options)).validate(merged)
    if validated.error_messages:
        raise platform.rejected(merged, options) or InvalidInput(error_messages(validated)[0])
    return in_full(validated.validated_parameters, options, platform)


def _of_connections(params, described, options):
    """The parameters of the task itself with each of the connections of its VMs: a fleet may be on several hosts."""
    connections = [{name: of_vm.get(name) for name in _of_connection(options)} for of_vm, _requests in described]
    different = [one for place, one in enumerate(connections) if one not in connections[:place]]
    of_task = {**{name: params.get(name) for name in options}, **_of_stop(params)}
    return [{**of_task, **connection} for connection in different]


def _of_stop(params):
    """How VMs that are pruned are stopped: some drivers read it, too."""
    return {"stop_mode": params["prune_stop_mode"]} if params.get("prune_stop_mode") else {}


def _grouped(described, options, platform):
    """[(parameters, requests, whether to prune)]: what one driver can do is together.

    So most tasks need one observation. ``described`` are (parameters, requests); requests None: only prune with these.
    """
    groups = {}
    for params, wanted in described:
        key = repr([params.get(name) for name in sorted(_of_connection(options) | set(platform.per_driver))])
        of_group, parts = groups.setdefault(key, ({}, []))
        # A driver may look at whether any VM uses an option at all.
        of_group.update({name: value for name, value in params.items() if of_group.get(name) is None})
        parts.append(wanted)
    for of_group, parts in groups.values():
        asked = [request for wanted in parts for request in wanted or ()]
        yield {**of_group, **_which(asked)}, asked, None in parts


def _which(asked):
    """The options that say which VMs are meant, as those of one task."""
    ids = [request.id for request in asked if request.id]
    names = [request.name for request in asked if request.name]
    return {"name": None if ids else names or None, "id": ids[0] if len(asked) == 1 and ids else None}


def _of_connection(options):
    return {name for name, option in options.items() if option.role == CONNECTION}


def _pruning(params, options):
    """The Pruning, if all other VMs of the fleet are to be deleted; else None."""
    if not params.get("prune"):
        for name in NEEDS_PRUNE:
            if params.get(name):
                raise InvalidInput(f"{name}: has no effect without prune.", "Set prune: true, or omit it.")
        return None
    if not params.get("fleet"):
        raise InvalidInput("prune: true deletes VMs of a fleet, but fleet is not set.", "Set fleet.")
    policy = pruning_policy({**params, **_of_stop(params)}, options)
    return Pruning(params["fleet"], policy, prune_max(params, options))
