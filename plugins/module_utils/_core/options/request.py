# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn the parameters of a task into requests, one per VM; invalid values are found here, before any observation."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import InvalidInput
from ..frozen import fields
from ..model import Comparison, Policy, Request, SnapshotRequest
from ..record.leases import beginning
from ..texts import check_printable
from ..units import GIB, human_size, parse_size
from .guest_conditions import condition
from .option import AT_START, CREATION, FACETS, PLACE, SETTING, TOGETHER

#: A VM is created from one of these at most.
SOURCES = ("image", "clone", "appliance")
#: A number of GiB above which the unit is probably missing.
_MOST_BARE = 4096
#: The remedy for an option that only one VM can have, such as a MAC address.
_ONE_VM_ONLY = "Set one name, or omit the option: each VM then gets its own."


def requests(params, options):
    """Return the requests of a task with these ``options``, in the order of its names.

    Raises InvalidInput with the option and the remedy.
    """
    names, given = names_of(params), given_options(params, options)
    if len(names) > 1:
        for name, value in given.items():
            _check_not_unique(name, options[name], value)
    by_role = {SETTING: {}, CREATION: {}, AT_START: {}}
    for name, value in given.items():
        by_role.setdefault(options[name].role, {})[name] = value
    config, creation, at_start = by_role[SETTING], by_role[CREATION], by_role[AT_START]
    sources = [name for name in SOURCES if name in creation]
    if len(sources) > 1:
        raise InvalidInput(f"{sources[0]} and {sources[1]} are both set.", "Set only one of them.")
    source = (creation.get("appliance") or {}).get("source") or ""
    if "://" in source and not creation["appliance"].get("checksum"):
        raise InvalidInput(
            "appliance.checksum: it is required, because appliance.source is an address.",
            "Set the checksum that the vendor publishes, such as sha256:DIGITS.",
        )
    if "appliance" in creation and "disks" in given.get("purge", ()) and given["state"] != "absent":
        # The descriptor, which lists the disks of the appliance, is read only when the VM is created.
        raise InvalidInput("purge: disks is not supported with appliance.", "Omit it, or omit appliance.")
    if given.get("expired_for") is not None and given["state"] not in ("absent", "stopped"):
        raise InvalidInput(
            f"expired_for: is not supported with state: {given['state']}.",
            "Set state: absent or stopped, or omit expired_for.",
        )
    _check_extend(given)
    config = beginning(config, given.get("controller_time"))
    policy, state = _policy(given, config, at_start), given["state"]
    return [
        Request(name=name, id=given.get("id"), state=state, config=config, creation=creation, policy=policy)
        for name in names
    ]


def size_warnings(params):
    """Return the warnings about sizes of disks without a unit that are probably in MiB, as ``memory`` is."""
    disks = [disk for one in (params, *(params.get("machines") or ())) for disk in one.get("disks") or ()]
    sizes = [str(disk.get("size")) for disk in disks if isinstance(disk, Mapping)]
    return [
        f"disks: size: {one} without a unit is {human_size(int(one) * GIB)}, and disks are never shrunk. Set {one}M if"
        f" it is in MiB, {one}G otherwise."
        for one in dict.fromkeys(sizes)
        if one.isdigit() and int(one) > _MOST_BARE
    ]


def _check_extend(given):
    if given.get("extend") and given.get("expires") is None:
        raise InvalidInput("extend: has no effect without expires.", "Set expires, or omit extend.")


def pruning_policy(params, options):
    """Return the Policy of the deletion of a fleet's surplus VMs: the options of the task, not of its entries."""
    names = [name for name in fields(Policy) if name in options]
    given = given_options(params, {name: options[name] for name in (*names, "prune_expired_for")})
    expired_for = given.pop("prune_expired_for", given.get("expired_for"))
    return Policy(**{**given, "expired_for": expired_for, "wait_for": "state", "purge": frozenset()})


def prune_max(params, options):
    """Return how many surplus VMs of a fleet may be deleted, or None if the task does not set it."""
    return given_options(params, {"prune_max": options["prune_max"]}).get("prune_max")


def snapshot_requests(params, options):
    """Return the requests of a snapshot task, in the order of its VM names."""
    names, given = names_of(params), given_options(params, options)
    _check_text("snapshot", given["snapshot"])
    asked = {name: given[name] for name in fields(SnapshotRequest) if name in given}
    asked["name"] = given["snapshot"]
    is_restored = given["state"] == "restored"
    if given.get("children") and given.get("expired_for") is not None:
        raise InvalidInput(
            "children: is not supported with expired_for: a child may expire later.",
            "Delete each snapshot by its name.",
        )
    _check_extend(given)
    asked = beginning(asked, given.get("controller_time"))
    awaited = _awaited(given)
    lease = {name: given[name] for name in ("extend", "expired_for", "controller_time") if name in given}
    policy = Policy(timeout=given["timeout"], **lease, **(awaited if is_restored else {}))
    return [Request(name=name, id=given.get("id"), snapshot=SnapshotRequest(**asked), policy=policy) for name in names]


def comparison(params):
    """Return the Comparison that a task requests, or None."""
    asked = params.get("compare")
    if asked is None:
        return None
    if not params.get("name") and not params.get("id"):
        raise InvalidInput("compare: no VM is named.", "Set the name or the ID of one VM.")
    if len(names_of(params)) > 1:
        raise InvalidInput(f"compare: needs one VM, but {len(params['name'])} are named.", "Set one name.")
    for option in ("from", "to"):
        if asked.get(option) is not None:
            _check_text(f"compare.{option}", asked[option])
    if asked["from"] == asked.get("to"):
        raise InvalidInput(
            f"compare: '{asked['from']}' would be compared with itself.", "Set another snapshot in to, or omit to."
        )
    content, text = bool(asked.get("content")), bool(asked.get("text"))
    if text and not content:
        raise InvalidInput("compare: text has no effect without content.", "Set content: true, or omit text.")
    return Comparison(asked["from"], asked.get("to"), content, text)


def names_of(params):
    names, vm_id = params.get("name"), params.get("id")
    if not names and not vm_id:
        raise InvalidInput("Neither name nor id is set.", "Set the name of at least one VM.")
    check_names(names, vm_id)
    check_each_once(names or ())
    return names or [None]


def check_each_once(names):
    """Raise if a task lists a VM twice."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidInput(f"name: {', '.join(twice)} is listed twice.", "List each name once.")


def console_lines(params):
    """Return how many lines of the console a task requests, or None."""
    return given_options(params, {"console": FACETS["console"]}).get("console")


def check_names(names, vm_id):
    """Raise if several names are set together with an id, or if a name is not valid on any platform."""
    if vm_id and len(names or ()) > 1:
        raise InvalidInput(f"id: '{vm_id}' is one VM, but {len(names)} names are set.", "Set one name or none.")
    for name in names or ():
        _check_name(name)


def _check_name(name):
    _check_text("name", name)
    if "/" in name:
        raise InvalidInput(
            f"name: '{name}' contains a slash.",
            "Choose a name without slashes; to select a VM that has such a name, set id.",
        )
    if name != name.strip():
        raise InvalidInput(
            f"name: '{name}' begins or ends with a space.",
            "Remove it. Several names are a list, such as [web1, web2]; to select a VM that has such a name, set id.",
        )


def _check_text(option, name):
    if not name or not name.strip():
        raise InvalidInput(
            f"{option}: a name is empty.", "Set the name of the VM." if option == "name" else "Set a name."
        )
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        raise InvalidInput(
            f"{option}: {name!r} contains a control character such as a newline.", "Use printable characters."
        )


def _policy(given, config, at_start):
    purge = frozenset(given.get("purge", ()))
    missing = sorted(purge - set(config))
    if missing and given["state"] != "absent":
        raise InvalidInput(
            f"purge: {missing[0]} is listed, but the option {missing[0]} is not set.",
            "Set it to the complete list, [] for none.",
        )
    policy = {name: given[name] for name in fields(Policy) if name in given}
    policy.update(_awaited(given))
    if given["state"] not in ("present", "started", "restarted"):
        # Ignored instead of rejected, so that wait_for can be set in module_defaults.
        policy.update(wait_for="state", wait_detail=None)
    return Policy(**{**policy, "purge": purge, "at_start": {name: value for name, value in at_start.items() if value}})


def _awaited(given):
    """Return the arguments of Policy for ``wait_for``, which some platforms do not have."""
    asked = given.get("wait_for", "state")
    return dict(zip(("wait_for", "wait_detail"), condition(asked) if isinstance(asked, dict) else (asked, None)))


# Values ---------------------------------------------------------------------------------------------------------------


def given_options(params, options):
    """Return {option: value} of the options that a task sets, each value in its canonical form."""
    given = {}
    for name, option in options.items():
        value = params.get(name)
        if value is None:
            continue
        if option.only_with and value != option.default and params["state"] != option.only_with:
            raise InvalidInput(
                f"{name}: is not supported with state: {params['state']}.",
                f"Set state: {option.only_with}, or omit {name}.",
            )
        given[name] = _parsed(name, option, value)
    return given


def _parsed(path, option, value):
    """Return ``value`` in its canonical form: sizes in bytes, lists as tuples, lists of entries as {key: entry}."""
    if option.unit:
        return parse_size(value, path, option.unit, (option.limits or (0,))[0], option.zero)
    if option.key:
        return _entries(path, option, value)
    if isinstance(value, list):
        return _texts(path, option, value)
    if isinstance(value, dict):
        return _record(path, option, value) if option.options else _with_plain_texts(path, value)
    least, most = option.limits or (None, None)
    if (least is not None and value < least) or (most is not None and value > most):
        remedy = f"Set {least} or more." if most is None else f"Set a number from {least} to {most}."
        raise InvalidInput(f"{path}: {value} is out of range.", remedy)
    _check_filled(path, option, value)
    if option.absolute and value and not value.startswith("/"):
        of_images = " Names such as debian-13 are values of image." if path.startswith(("iso", "cdroms")) else ""
        raise InvalidInput(
            f"{path}: '{value}' is not an absolute path.", f"Use the full path on the hypervisor.{of_images}"
        )
    return option.normalize(value, path)


def _check_filled(path, option, value):
    if option.filled and not value:
        raise InvalidInput(f"{path}: it is empty.", "Set a value, or omit the option.")


def _texts(path, option, values):
    _check_filled(path, option, values)
    twice = sorted({value for value in values if values.count(value) > 1}) if option.distinct else ()
    if twice:
        raise InvalidInput(f"{path}: {', '.join(twice)} is listed twice.", "List each value once.")
    return tuple(option.normalize(values if option.ordered else sorted(set(values)), path))


def _with_plain_texts(path, value):
    for name, part in value.items():
        if not isinstance(name, str):
            raise InvalidInput(
                f"{path}: the key {name} is not text: YAML reads numbers and words such as on as other values.",
                "Write the key in quotes.",
            )
        if isinstance(part, str):
            check_printable(part, f"{path}.{name}")
    return dict(value)


def _record(path, option, value):
    return {
        name: _parsed(f"{path}.{name}", option.options[name], part) for name, part in value.items() if part is not None
    }


def _entries(path, option, entries):
    """Return {key: entry}; the key of an entry without one is its position (``#0``). An absent entry is None."""
    if option.key == TOGETHER:
        return _identified(path, option, entries)
    by_key = {}
    for place, entry in enumerate(entries):
        name = None if option.key == PLACE else entry.get(option.key) or None
        if str(name).startswith(PLACE):
            remedy = (
                "Set a slot such as vda, scsi0 or SATA 0."
                if option.key == "slot"
                else f"Choose a name that begins without {PLACE}."
            )
            raise InvalidInput(f"{path}: '{name}' is not a valid {option.key}.", remedy)
        if name in by_key:
            raise InvalidInput(f"{path}: {option.key} {name} is listed twice.", f"List each {option.key} once.")
        key = str(place) if option.key == PLACE else f"{PLACE}{place}" if name is None else name
        given = _record(_place(path, option, key), option, entry)
        given.pop(option.key, None)
        has_state = "state" in option.options
        by_key[key] = None if has_state and given.pop("state", "present") == "absent" else given
    return by_key


def _identified(path, option, entries):
    """Return {key: entry} of a list with TOGETHER as key: several suboptions together identify an entry."""
    by_key = {}
    for place, entry in enumerate(entries):
        key, given = option.identify(_record(f"{path}[{place}]", option, entry), f"{path}[{place}]")
        if key in by_key:
            raise InvalidInput(f"{path}: {key} is listed twice.", "List each entry once.")
        by_key[key] = given
    return by_key


def _place(path, option, key):
    """Return the path of an entry for messages: with its key if it has one, else with its position."""
    is_place = option.key == PLACE or key.startswith(PLACE)
    return f"{path}[{key.lstrip(PLACE)}]" if is_place else f"{path}.{key}"


def _check_not_unique(path, option, value):
    """Raise if the value can belong to only one VM; called if the task names several."""
    for where, option_there, one in _unique_values(path, option, value):
        raise InvalidInput(f"{where}: {one} is one {option_there.unique}, but several VMs are named.", _ONE_VM_ONLY)


def check_unique(wanted, options):
    """Raise if two of the requests ``wanted`` set the same value that only one VM can have.

    VMs of one name (on Proxmox VE) are different ones if each has its id; the same id twice is found with the VMs.
    """
    with_id = {request.name for request in wanted if request.name and request.id}
    without_id = [request.label for request in wanted if not (request.name and request.id)]
    check_each_once([*without_id, *(with_id & set(without_id))])
    owners = {}
    for request in wanted:
        given = {} if request.state == "absent" else {**request.config, **request.creation}
        for name, value in given.items():
            for path, option, one in _unique_values(name, options[name], value):
                where = f"{request.label}: {path}"
                # Two VMs may have the same file, MAC or port under some conditions: that is in _core/sharing/world.py.
                other = where if option.compared else owners.setdefault((option.unique, one), where)
                if other is not where:
                    raise InvalidInput(f"{where}: {one} is also that of {other}.", "Set it for one VM only.")


def _unique_values(path, option, value):
    """Yield (path, option, value) of each value that only one VM can have."""
    if isinstance(value, Mapping) and option.options:
        entries = {_place(path, option, key): entry for key, entry in value.items()} if option.key else {path: value}
        for where, entry in entries.items():
            for name, part in (entry or {}).items():
                yield from _unique_values(f"{where}.{name}", option.options[name], part)
    elif option.unique:
        for one in value if isinstance(value, tuple) else (value,):
            if option.is_unique(one):
                yield path, option, one
