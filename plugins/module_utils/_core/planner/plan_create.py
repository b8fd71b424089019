# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the creation of VMs: only if the task sets a source, with defaults for settings that each VM needs."""

from __future__ import annotations

from ..errors import NotFound, Refused
from ..model import ABSENT, COLLECTIONS, LIVE, NEVER, STOPPED, Change, Step
from ..options.identity import known_names, listed
from ..options.request import SOURCES
from ..record.leases import NEVER_EXPIRES
from ..record.mark import CREATED, damage_of
from .contents import contents_of, creation_of, filled_slots
from .differences import first_disk
from .drives import CDROMS, ISO, in_order, with_new_drives
from .simulate import changed_config


def create_step(vm, request, traits, base, source=None, cost=LIVE):
    """Return the step that creates ``vm``; ``base`` are settings that it already has, such as when it is recreated.

    A clone first has the settings of its ``source``; what the task sets is configured in a later step.
    """
    _check_disk_of_source(request, traits, source)
    arguments = {"creation": creation_of(request, traits), "power": traits.power_after_create}
    if traits.id_fault is not None:
        arguments["id"] = request.id
    if is_cloned(request):
        asked = {name: value for name, value in request.config.items() if name in traits.cloned_with}
        verb, config = "clone", overlay(config_of_clone(request, source, traits), asked, traits)
        arguments["source"] = source
        # The final NICs: the cloud-init seed ISO needs their MAC addresses.
        arguments["networks"] = overlay(base, request.config, traits).get("networks")
        # The drives that the task adds or changes: that of the seed is elsewhere.
        arguments["drives"] = request.config.get(CDROMS) or {}
    else:
        verb, config = "create", with_new_drives(vm, initial_config(request, traits, base), traits)
    config = {**config, CREATED: request.policy.controller_time}
    return Step(
        verb, cost=cost, arguments={**arguments, "config": config}, also=tuple(traits.side_effects(verb, vm, ()))
    )


def fetch_steps(request):
    """Return the steps that download the image, or copy the disks of an appliance, if the host has to."""
    archive = (request.creation.get("appliance") or {}).get("fetch")
    # First, because only the download proves what was read of an appliance: its descriptor, too.
    images = [{"fetch": archive}, *contents_of(request.creation, "").values()]
    once = {}
    for one in images:
        if one.get("fetch"):
            # Disks of one archive are downloaded together.
            once.setdefault(one["fetch"].stored.path, one)
    return [Step("fetch", arguments={"image": one}, note=one["fetch"].note) for one in once.values()]


def check_record(vm, label):
    """Raise Refused if nobody knows what the record of the VM said."""
    damage = damage_of(vm)
    if damage:
        raise Refused(
            f"{label}: its ownership record is damaged: {damage}.",
            "If a later version of this collection has written it, use that version. If not, remove the record (user"
            " guide, Ownership): then the VM is one that others have created.",
        )


def check_adopted(vm, request):
    """Raise if a task says how to create a VM that exists, and this collection did not create it.

    The task may be meant for another VM, and what it says about the content would be wrong.
    """
    given = _unproven_sources(vm, request)
    if not given:
        return
    raise Refused(
        f"{request.label}: {given[0]} is set, but the VM exists and has no record of creation by this collection: it"
        " was created otherwise, or its record was edited away.",
        f"Remove {given[0]} to manage the VM, or set adopt: true.",
    )


def check_whose(vm, request, changes, traits):
    """Raise if a task that says how to create a VM would give an existing one what it does not have.

    Where others may write the record, they may have created the VM with this name before. ``traits.proven_by`` says who
    could have; cloud-init data and networks that the VM does not have are for the user's own VM.
    """
    creates, place = any(option in request.creation for option in SOURCES), vm.config.get(traits.proven_by)
    is_known = (place and request.config.get(traits.proven_by) == place) or (request.policy.adopt and request.id)
    if not traits.proven_by or is_known or not creates:
        return
    nics = changed_config(vm.config, changes).get("networks")
    given = [change.path for change in changes if traits.is_seed(change)] or new_networks(vm.config, nics)
    if given:
        remedy = f"id: '{vm.id}' and adopt: true, or {traits.proven_by} to that of the VM"
        raise of_others(request.label, vm.id, given[0], remedy)


def new_networks(config, nics):
    """Return the paths of those of ``nics`` on a network where a VM with the settings ``config`` has no NIC."""
    present = [_network_of(nic) for nic in (config.get("networks") or {}).values()]
    return [f"networks.{key}" for key, nic in (nics or {}).items() if _network_of(nic) not in present]


def _network_of(nic):
    return [nic.get(part) or None for part in ("source", "vlan", "trunk")]


def of_others(label, vm_id, given, remedy):
    return Refused(
        f"{label}: {given}: VM {vm_id} has this name, and not what the task sets here. Whoever may edit the VM could"
        " have written its ownership record, too, to get it.",
        f"Set {remedy}, if it is yours. Otherwise choose another name.",
    )


def uncertain_sources(vm, request):
    """Return the sources that the task sets, if it is not known whether the VM was created from one."""
    return _unproven_sources(vm, request) if vm.mark is None else []


def _unproven_sources(vm, request):
    """Return the sources that the task sets for a VM without a record of creation, unless it is adopted."""
    given = [option for option in SOURCES if option in request.creation]
    if not given or vm.created or vm.id is None or request.policy.adopt:
        return []
    return given


def is_cloned(request):
    return "clone" in request.creation


#: Settings that a clone never copies from its source.
_OWN = {"autostart": False, "fleet": "", "owner": "", "expires": NEVER_EXPIRES}


def config_of_clone(request, source, traits):
    """Return the settings that a clone copies from its source, or from the requested snapshot of the source."""
    if source is None or source.power == ABSENT:
        return {}
    taken = find_snapshot(source, request.creation["clone"].get("snapshot"))
    config = source.config if taken is None or taken.config is None else taken.config
    config = {name: value for name, value in config.items() if name not in traits.not_cloned}
    for name, value in _OWN.items():
        if config.get(name):
            config[name] = value
    for name, own in (("disks", "source"), ("networks", "mac"), ("networks", "address")):
        if config.get(name):
            config[name] = {key: _without(own, entry) for key, entry in config[name].items()}
    if traits.linked_format and request.creation["clone"].get("linked") and config.get("disks"):
        config["disks"] = {slot: {**disk, "format": traits.linked_format} for slot, disk in config["disks"].items()}
    return config


def _without(attribute, entry):
    return {key: value for key, value in entry.items() if key != attribute}


def known_settings(config):
    """Return ``config`` without settings that have an unknown value (None)."""
    return {name: value for name, value in config.items() if value is not None}


def find_snapshot(vm, name):
    """Return the snapshot with this name or id, or None."""
    return next((one for one in vm.snapshots if name is not None and name in (one.name, one.id)), None)


def check_name(vm, request, traits):
    """Raise Refused if no new VM can have this name. Values that follow from the name are checked after it."""
    if _has_source(vm, request, traits):
        _check_name(request.name, traits, "be created with")


def _check_name(name, traits, what):
    if fault := traits.name_fault(name):
        raise Refused(f"{name}: no VM can {what} this name: {fault}.", "Choose another name.")


def renaming(vm, request, traits):
    """Return the change of the name of a VM that its ID selects, if the task permits that (``check_identity``)."""
    if not (traits.renames and request.id and request.name) or request.name == vm.name:
        return []
    _check_name(request.name, traits, "have")
    return [Change("name", vm.name, request.name, cost=traits.fields["name"].cost)]


def _has_source(vm, request, traits):
    return vm.recipe or any(_is_set(request, option) for option in traits.sources)


def check_creatable(vm, request, traits, known, source):
    """Raise if the task sets no source for the new VM, or if no VM can be created with this id."""
    if request.id and (traits.id_fault is None or not request.name):
        raise NotFound(f"{request.label}: there is no VM with ID {request.id}.", known_names(known, request.label))
    if not _has_source(vm, request, traits):
        empty = [option for option in traits.sources if option in request.config]
        now = f" In this task, {as_choice(empty)} has no new entry." if empty else ""
        creation = f"To create it, set {as_choice(traits.sources)}.{now} " if traits.sources else ""
        raise NotFound(f"{request.label}: the VM does not exist.", f"{creation}{known_names(known, request.label)}")
    fault = request.id and traits.id_fault(request.id)
    if fault:
        raise Refused(f"{request.name}: no VM can be created with ID '{request.id}': {fault}.", "Choose another ID.")
    check_source(request, traits, known, source)


def as_choice(options):
    """Return the names of options as text: image, clone or iso."""
    *others, last = options
    return f"{', '.join(others)} or {last}" if others else last


def _is_set(request, option):
    """Return whether the task sets ``option``; a list with only absent disks is not a source for a VM.

    An ISO image in any optical drive is a source as one in ``iso`` is.
    """
    if option == ISO and any(drive and drive.get("source") for drive in (request.config.get(CDROMS) or {}).values()):
        return True
    value = request.creation.get(option) or request.config.get(option)
    if option in COLLECTIONS and value:
        return any(entry is not None for entry in value.values())
    return bool(value)


def content_sources(traits):
    """Return the options that provide an operating system or an installer; empty disks do not."""
    return [option for option in traits.sources if option not in COLLECTIONS]


def sets_content(request, traits):
    """Return whether the task sets one of these options."""
    return any(_is_set(request, option) for option in content_sources(traits))


def check_recreatable(vm, request, traits, what):
    """Raise if a VM is not deleted and created again for a change of ``what``; the remedy names all that it needs."""
    reason, sources = "", as_choice(content_sources(traits))
    if not vm.created or vm.snapshots or not vm.persistent:
        reason = "it has snapshots" if vm.snapshots else "this collection did not create and define it"
    elif "appliance" in request.creation:
        reason = "what the appliance says would replace settings that were changed since"
    elif request.policy.delete_disks == "none":
        reason = "its disks are deleted with it, and delete_disks: none is set"
    if not request.policy.allow_recreate:
        needed = "allow_recreate: true" if sets_content(request, traits) else f"allow_recreate: true, and {sources},"
        ours = f"Set {needed} to delete the VM and create it again."
        others = f"Omit the option, or delete the VM yourself first: {reason}, so the task does not delete it."
        raise Refused(f"{vm.name}: {what} cannot be changed on an existing VM.", others if reason else ours)
    if reason:
        raise Refused(
            f"{vm.name}: a change of {what} needs the VM to be created again, but {reason}.",
            "Delete it yourself first.",
        )
    if not sets_content(request, traits):
        raise Refused(
            f"{vm.name}: a change of {what} needs the VM to be created again, but the task sets no source for it.",
            f"Set {sources}.",
        )


def check_not_its_own_source(vm, request, source):
    """Raise if a VM is to be created again as a clone of itself."""
    if is_cloned(request) and source is not None and source.id == vm.id:
        raise Refused(
            f"{vm.name}: clone.source: the VM cannot be created again as a clone of itself, because it is deleted"
            " first.",
            "Set another source.",
        )


def check_source(request, traits, known, source):
    """Raise if the VM to clone, or its snapshot, does not exist or cannot be cloned in its state."""
    if not is_cloned(request) or source is None:
        return
    asked = request.creation["clone"]
    if source.power == ABSENT:
        raise NotFound(
            f"{request.label}: clone.source: there is no VM '{asked['source']}'.", known_names(known, asked["source"])
        )
    if asked.get("snapshot") and find_snapshot(source, asked["snapshot"]) is None:
        names = listed([snapshot.name for snapshot in source.snapshots], asked["snapshot"]) or "none"
        raise NotFound(
            f"{request.label}: clone.snapshot: '{source.name}' has no snapshot '{asked['snapshot']}'.",
            f"Its snapshots: {names}.",
        )
    taken = find_snapshot(source, asked.get("snapshot"))
    if taken and taken.unfinished:
        raise Refused(
            f"{request.label}: snapshot '{taken.name}' of '{source.name}' is unfinished: {taken.unfinished}.",
            "Delete it, and clone another one.",
        )
    field = traits.fields["clone"]
    if field.cost_of(source, Change("clone", None, asked)) == NEVER:
        is_linked = asked.get("linked") and source.power == STOPPED
        raise Refused(
            f"{request.label}: '{source.name}' is {source.power} and cannot be cloned this way.",
            traits.instead.get("clone.linked", field.instead) if is_linked else field.instead,
        )


def initial_config(request, traits, base):
    """Return the settings of a new VM: those of the task, and defaults for settings that each VM needs."""
    # A list in the task replaces the default list: an empty list of networks means no NIC.
    defaults = {name: value for name, value in traits.defaults.items() if name not in ("disk_size", *request.config)}
    config = overlay({**defaults, **base}, request.config, traits)
    disks = _initial_disks(config.pop("disks", {}), request, traits)
    used = next((slot for slot in config.get("cdroms") or () if traits.slot_meant(slot) in disks), None)
    if used:
        # A disk that the task does not list, such as that of its image, is known only here.
        raise Refused(f"{request.label}: cdroms.{used}: the slot is used by a disk.", "Use another slot.")
    return {**config, "disks": disks} if disks else config


def _initial_disks(given, request, traits):
    filled = filled_slots(request, traits)
    has_disks = any(kind.startswith("disks.") for kind in traits.fields)
    # If the task sets disks, even to an empty list, there is no default disk.
    if has_disks and (filled or ("disks" not in request.config and not given)):
        given = {**{slot: {} for slot in slots_of_source(request, traits)}, **given}
    size = traits.defaults.get("disk_size")
    return {
        slot: {**entry, "size": size} if size and _has_no_size(entry) and slot not in filled else entry
        for slot, entry in sorted(given.items())
    }


def slots_of_source(request, traits):
    """Return the slots of the disks that a new VM has even if the task does not list them."""
    return filled_slots(request, traits) or [traits.slot(0)]


def source_creates_disk(request):
    """Return whether the source of the VM, such as an image, creates its first disk."""
    return bool(set(SOURCES) & set(request.creation))


def with_implied_disk(vm, request, wanted, traits, is_rebuilt=False):
    """Return ``wanted`` with the disk of the image or clone: a purge must not remove it from the list of disks.

    Of a VM that is created again (``is_rebuilt``) it is the first one of the default bus, unless the task sets a slot.
    """
    first = _slot_of_image(request, traits) or (traits.slot(0) if is_rebuilt else first_disk(vm.config, traits))
    is_complete = "disks" in request.policy.purge
    if not is_complete or not source_creates_disk(request) or first not in vm.config.get("disks", {}):
        return wanted
    return {**wanted, "disks": {first: {}, **wanted.get("disks", {})}}


def _slot_of_image(request, traits):
    """Return the slot that the task sets for its image, or None."""
    slot = (request.creation.get("image") or {}).get("slot")
    return traits.slot_meant(slot) if slot else None


def _check_disk_of_source(request, traits, source):
    if not source_creates_disk(request):
        return
    if "appliance" in request.creation:
        for slot in filled_slots(request, traits):
            _check_created(request, slot, "appliance")
        return
    own = in_order(config_of_clone(request, source, traits).get("disks") or ()) if is_cloned(request) else ()
    first = _slot_of_image(request, traits) or first_disk({"disks": own or (traits.slot(0),)}, traits)
    _check_no_second_disk(request, traits, own or (first,), first)
    _check_created(request, first, "image or clone")


def _check_created(request, slot, source):
    """Raise if the task removes a disk that the source creates, or attaches another one there."""
    asked = request.config.get("disks", {}).get(slot, {})
    if asked is None:
        raise Refused(
            f"{request.label}: disks.{slot}: it cannot be absent, because the {source} creates it.", "Omit its entry."
        )
    if asked.get("source"):
        raise Refused(
            f"{request.label}: disks.{slot}.source: it cannot be set, because the {source} creates this disk.",
            "Omit it, or set it for another slot.",
        )


def _check_no_second_disk(request, traits, own, first):
    """Raise for an empty disk at the head of another bus than that of the disk with the operating system.

    Such an entry is usually meant for the latter. A task that lists that disk as well means two.
    """
    asked = request.config.get("disks", {})
    if any(slot in asked for slot in own):
        return
    for slot, entry in asked.items():
        if entry is not None and not entry.get("source") and traits.leads_bus(slot):
            what = "the clone has its disk" if is_cloned(request) else "the image becomes the disk"
            raise Refused(
                f"{request.label}: disks.{slot}: {what} at {first}, so this would be a second, empty disk.",
                f"Set slot: {first}, or omit slot. To add an empty disk, list {{slot: {first}}} as well.",
            )


def _has_no_size(entry):
    return not entry.get("size") and not entry.get("source")


def overlay(config, wanted, traits):
    """Return ``config`` updated with ``wanted``; entries that are None in ``wanted`` are removed."""
    result = dict(config)
    for name, value in wanted.items():
        if name in COLLECTIONS:
            entries = dict(config.get(name) or {})
            for key, entry in value.items():
                entries[key] = None if entry is None else {**(entries.get(key) or {}), **entry}
            result[name] = {key: entry for key, entry in entries.items() if entry is not None}
        elif name in traits.records or name == "native":
            result[name] = {**(config.get(name) or {}), **value}
        else:
            result[name] = value
    return result
