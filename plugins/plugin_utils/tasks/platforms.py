# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platforms, and how a task of ``vm``, ``vm_info`` or ``vm_snapshot`` is divided among their modules. Pure."""

from __future__ import annotations

from collections import Counter
from typing import Callable

from ansible.module_utils.common.validation import check_type_dict, check_type_list

from ...module_utils._core.errors import InvalidInput, Unsupported
from ...module_utils._core.frozen import Frozen
from ...module_utils._core.options.option_errors import did_you_mean, meant_by, remedy_for
from ...module_utils._core.planner.fleet import check_prune_max
from .registry import PLATFORMS

#: {other name: platform that a task probably means}
_OTHER_NAMES = {
    **dict.fromkeys(("kvm", "qemu", "virsh"), "libvirt"),
    **dict.fromkeys(("vmm", "openbsd"), "vmd"),
    "vbox": "virtualbox",
    "pve": "proxmox",
    "wsl2": "wsl",
}
#: Options that select VMs.
_WHICH = ("name", "id")
#: Values of a VM that are known even if it is not observed.
_IDENTITY = ("name", "id", "platform")
_REJECTED = "Not changed, because the request for another VM was rejected."


class Part(Frozen):
    """The part of a task for one platform: the name and the arguments of its module."""

    platform: str
    module: str
    arguments: dict


def parts_of(about, arguments, known, default=None, options_of=lambda module: {}):
    """Return ([Part], [platform of each VM in the requested order]); the second is empty if there is one platform.

    ``known`` are the options that all platforms share, ``default`` is the platform if the task sets none;
    ``options_of`` returns those of a module. Raises InvalidInput or Unsupported.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    own, options = _platform(given, default), given.pop("options", {})
    modules = _Modules(about, known, options_of)
    modules.check(f"polyvirt.core.{about}", given, own)
    machines = _read("machines", given.get("machines") or [], check_type_list, "Set a list of VMs.")
    entries = [_entry(place, entry, own, modules) for place, entry in enumerate(machines)]
    if all(platform == own for platform, _described in entries):
        machines = {"machines": [described for _platform, described in entries]} if "machines" in given else {}
        return [_part(about, own, _of_task({**_joined(given, options), **machines}, known))], []
    del given["machines"]
    selection = {name: given.pop(name) for name in _WHICH if given.get(name)}
    by_platform = {own: selection} if selection else {}
    for platform, described in entries:
        by_platform.setdefault(platform, {}).setdefault("machines", []).append(described)
    listed = ([(own, selection)] if selection else []) + entries
    order = [platform for platform, selection in listed for _vm in range(_count(selection))]
    return [
        _part(about, platform, _of_task({**_joined(given, options if platform == own else {}), **selection}, known))
        for platform, selection in by_platform.items()
    ], order


def _entry(place, entry, own, modules):
    """Return (platform, entry for its module) of one entry of ``machines``."""
    where = f"machines[{place}]"
    given = dict(_read(where, entry, check_type_dict, "Set a dictionary with the name and the options of a VM."))
    platform, options = _platform(given, own), given.pop("options", {})
    modules.check(where, given, platform)
    return platform, _joined(given, options)


def _platform(given, default):
    """The platform of a task or an entry of ``machines``; an empty text is no platform, as the answer to a survey."""
    platform = given.pop("platform", None) or default
    return str(platform) if platform else None


def _of_task(arguments, known):
    """Return ``arguments``, with the platform's own options that are equal in all ``machines`` as options of the task.

    The module may require such an option for the whole task, like the directory of a project.
    """
    entries = arguments.get("machines") or ()
    if not entries or any(name in arguments for name in _WHICH):
        return arguments
    shared = {
        name: value
        for name, value in entries[0].items()
        if name not in known and name not in arguments and all(one.get(name) == value for one in entries)
    }
    own = [{name: value for name, value in one.items() if name not in shared} for one in entries]
    return {**arguments, **shared, "machines": own}


def _count(selection):
    """Return how many VMs are selected; Ansible splits a string at commas."""
    return len(_read("name", selection.get("name") or [], check_type_list, "Set a list of texts, such as [a, b].")) or 1


def _joined(given, options):
    options = _read("options", options, check_type_dict, "Set a dictionary of options of the platform's own module.")
    twice = sorted(set(given) & set(options))
    if twice:
        raise InvalidInput(f"options: {twice[0]} is set in the task, too.", f"Set {twice[0]} once.")
    return {**given, **options}


def _read(where, value, check_type, remedy):
    """The value as Ansible itself reads an option of this type; an error does not show it, as it may have secrets."""
    try:
        return check_type(value)
    except TypeError:
        raise InvalidInput(f"{where}: the value has a wrong type.", remedy) from None


class _Modules(Frozen):
    """The options of a module for all platforms, and of those of the platforms: {name: Option}."""

    about: str
    known: dict
    options_of: Callable

    def check(self, where, given, platform):
        """Raise InvalidInput for an option that platforms do not share; this platform accepts what the remedy says."""
        unknown = next((name for name in given if name not in self.known), None)
        if unknown is not None:
            message = f"{where}: {unknown} is not an option that platforms share."
            raise InvalidInput(message, self._remedy(unknown, given[unknown], platform))

    def _remedy(self, name, value, platform):
        module = PLATFORMS[platform].modules.get(self.about) if platform in PLATFORMS else None
        options = self.options_of(module) if module else {}
        if name in options:
            return f"It is one of {platform} alone: set options: {{{name}: ...}}."
        from ...module_utils._core.options.other_words import names_in  # Only errors need it.
        from .routing import other_module

        lacked = set(self.known) - {*options, "platform"} if options else ()
        shared = {one: options.get(one, self.known[one]) for one in self.known if one not in lacked}
        remedy = remedy_for(name, shared, value=value)
        own, _is_word = meant_by(name, {one: options[one] for one in options if one not in self.known}, value=value)
        if own and not remedy:
            remedy = f"On {platform}, set options: {{{names_in(own)[0]}: ...}}."
        return remedy or other_module(name, self.about) or f"See: ansible-doc polyvirt.core.{module or self.about}"


def _part(about, platform, arguments):
    if platform is None:
        raise InvalidInput(
            "platform is not set.",
            f"Set platform, the variable vm_platform or the environment variable POLYVIRT_PLATFORM to one of"
            f" {', '.join(PLATFORMS)}.",
        )
    registered = PLATFORMS.get(platform)
    if registered is None:
        other = _OTHER_NAMES.get(platform.lower())
        meant = f"Did you mean {other}? " if other else did_you_mean(platform, PLATFORMS)
        raise InvalidInput(f"platform: '{platform}' is not known.", f"{meant}Set one of {', '.join(PLATFORMS)}.")
    if about not in registered.modules:
        what, instead = _LACKED[about](registered)
        raise Unsupported(f"{what} are not supported on {platform}.", instead)
    return Part(platform, registered.modules[about], arguments)


#: {module that some platforms lack: (what it is about, what to do there)}
_LACKED = {
    "vm_snapshot": lambda registered: ("Snapshots", registered.instead_of_snapshots),
    "vm_backup": lambda registered: ("Backups", registered.instead_of_backups),
}


def check_pruning(results, order, arguments):
    """Raise Refused if the platforms would delete more VMs together than ``prune_max``; each has checked its own."""
    if arguments.get("prune_max") is not None:
        prune_max, fleet = int(arguments["prune_max"]), arguments.get("fleet")
        check_prune_max(_pruned_names(results, order), 0, fleet, prune_max)


def _pruned_names(results, order):
    listed = Counter(order)
    return [vm["name"] for platform, result in results.items() for vm in result["vms"][listed[platform] :]]


def joined(results, order, is_refused):
    """Return the result of a task from ``results`` ({platform: result}); ``vms`` are in ``order``, pruned ones last.

    ``is_refused``: the results are from check mode, and nothing was changed because one of them failed.
    """
    entries = {platform: iter(_reported_vms(result, is_refused)) for platform, result in results.items()}
    vms = [next(entries[platform], None) for platform in [*order, *_remaining(results)]]
    failed = [result for result in results.values() if result.get("failed")]
    done = [] if is_refused else list(results.values())
    invocations = [result["invocation"] for result in results.values() if "invocation" in result]
    return {
        "changed": any(result.get("changed", False) for result in done),
        "vms": [vm for vm in vms if vm is not None],
        "diff": [one for result in done for one in result.get("diff") or ()],
        "warnings": [one for result in results.values() for one in result.get("warnings") or ()],
        **({"failed": True, "msg": "\n".join(str(result.get("msg", "")) for result in failed)} if failed else {}),
        **({"invocation": invocations[0]} if invocations else {}),
    }


def _remaining(results):
    """Yield each platform as often as its result has VMs: at least as many entries as can be left after ``order``."""
    return [platform for platform, result in results.items() for _vm in result.get("vms") or ()]


def _reported_vms(result, is_refused):
    """Return the entries of one platform's result; if refused, without the changes that check mode predicted."""
    vms = result.get("vms") or []
    if not is_refused or result.get("failed"):
        return vms
    # Values that check mode predicted are not those of the VM: only its identity is known.
    known = {"changed": False, "failed": False, "msg": _REJECTED}
    return [{**{key: vm[key] if key in _IDENTITY else _empty(vm[key]) for key in vm}, **known} for vm in vms]


def _empty(value):
    return type(value)() if isinstance(value, (list, dict)) else None
