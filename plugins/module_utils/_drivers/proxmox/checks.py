# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan needs of the cluster, looked at before the first step: the server would find it out half-way."""

from __future__ import annotations

from dataclasses import replace

from ..._lifecycle.errors import ApiError, NotFound, Refused
from ..._lifecycle.plan_make import find_snapshot
from ..._lifecycle.units import MIB, human_size
from . import native_checks, needs
from .changing import needs_storage, writing_of
from .fields import STAYS_OFF
from .making import check_slots, inputs_of, options_of, told_by_task
from .move_checks import check_move
from .reach import check_formats, check_reachable
from .settings import free_seed_slot
from .sight import Sight, cards_of, drives_of, memory_of, seed_slot
from .snapshots import options_in, snapshots_of
from .traits import AUTO
from .volume_checks import FIRST, check_each_once, check_image, check_imports, check_iso, check_source
from .write_checks import Basis, check_copying, check_moving_disk, check_writing

_SIZES_OF_MEMORY = ("memory", "native.balloon")
_NO_TPM, _UNPROTECTED = ("tpm", False), ("protection", False)
#: What leaves a machine running, or with what it ran with.
_WAKING = frozenset({"start", "reset", "pause", "resume", "suspend"})
_OFF = frozenset({"stop", "kill"})
_NOTHING = Sight("", "", {}, {})


def check_plan(driver, plan):
    vm, label, clone = plan.before, plan.after.name, None
    if plan.steps:
        needs.check_quorum(driver, label)
    for number, step in enumerate(plan.steps):
        needs.check_verb(driver, label, vm, step)
        _check_parts_stay(label, step.changes)
        _check_power(driver, label, plan, step)
        if step.verb == "create":
            _check_creation(driver, label, vm, step.arguments)
        elif step.verb == "clone":
            clone = _check_cloning(driver, label, step.arguments)
        elif step.verb == "configure" and (clone or vm.id):
            is_on = vm.on and not _OFF & {earlier.verb for earlier in plan.steps[:number]}
            _check_changes(driver, label, clone or _found(driver, vm, is_on), step.changes)
        elif step.verb == "snapshot" and vm.config.get("template"):
            raise Refused(f"{label}: it is a template, which has no snapshots.", "Clone it, and take one of the clone.")
        elif step.verb == "snapshot":
            needs.check_snapshots(driver, label, driver.eyes.seen(vm.id))
        elif step.verb == "delete" and vm.config.get("protection"):
            raise Refused(f"{label}: it is protected against being removed.", "Set protection: false first.")


def _check_power(driver, label, plan, step):
    vm = plan.before
    if step.verb in _WAKING and vm.id and plan.after.on:
        _check_finished(driver, label, vm)
    if step.verb == "start" and plan.after.config.get("template"):
        raise _not_started(label, vm)
    if step.verb == "start" and vm.id and plan.after.on:
        _check_start(driver, label, plan)


def _check_start(driver, label, plan):
    """A VM whose bridge is missing on its node does not start."""
    cards = plan.after.config.get("networks")
    if cards is None:
        cards = {
            place: {"source": card.get("bridge")}
            for place, card in cards_of(driver.eyes.seen(plan.before.id).stored).items()
        }
    _check_bridges(driver, label, plan.after.config["node"], [card.get("source") for card in cards.values()])


def _found(driver, vm, is_on=False):
    return Basis(driver.eyes.seen(vm.id), vm.config["node"], bool(vm.config.get("protection")), vm.id, is_on=is_on)


def _check_creation(driver, label, vm, arguments):
    config, creation = arguments["config"], arguments["creation"]
    begun, node = driver.eyes.begun(label, inputs_of(creation)), config.get("node", AUTO)
    _check_number(driver, label, arguments.get("id"))
    _check_pool(driver, label, config.get("pool"))
    check_slots(driver, config, creation)
    if creation.get("image"):
        check_imports(driver, label, creation["image"]["source"])

    def check(place):
        _check_place(driver, label, vm, arguments, place)

    if node != AUTO:
        driver.places.check_node(label, node)
        check(node)
    elif begun:
        check(begun.node)
    else:
        driver.places.choose_node(label, driver.storage, config.get("memory", 0), check)


def _check_place(driver, label, vm, arguments, node):
    """What a new machine needs of the node that it will be on."""
    config, creation = arguments["config"], arguments["creation"]
    storage = driver.places.choose_storage(label, node, "images", driver.storage)
    _check_bridges(driver, label, node, (card.get("source") for card in (config.get("networks") or {}).values()))
    check_iso(driver, label, node, config.get("iso"))
    basis = _found(driver, vm) if vm.id else Basis(_NOTHING, node, is_protected=False)
    check_each_once(label, (config.get("disks") or {}).items())
    for slot, disk in (config.get("disks") or {}).items():
        check_source(driver, label, basis, node, slot, disk)
    image = (creation.get("image") or {}).get("source")
    if image:
        check_image(driver, label, node, image, (config.get("disks") or {}).get(FIRST, {}).get("size"))
    check_formats(driver, label, node, config.get("disks") or {})
    subject = needs.NewVm(driver, config, arguments.get("id"))
    subject.check(label, "VM.Allocate")
    options = options_of(driver, storage, config, creation, "none")
    needs.check_options(driver, label, subject, node, options)
    native_checks.check_values(driver, label, node, config.get("native") or (), options)
    wanted = {}
    for disk in (config.get("disks") or {}).values():
        own = disk.get("storage")
        if own:
            driver.places.choose_storage(label, node, "images", own)
        if not disk.get("source"):
            wanted[own or storage] = wanted.get(own or storage, 0) + (disk.get("size") or 0)
    needs.check_space(driver, label, node, wanted)


def _check_cloning(driver, label, arguments):
    """The clone as it will be, for what is changed of it."""
    config, creation, source = (arguments[name] for name in ("config", "creation", "source"))
    driver.eyes.begun(label, inputs_of(creation, source))
    sight = _copied(driver, source, creation["clone"].get("snapshot"))
    node = config.get("node") or source.config["node"]
    node = source.config["node"] if node == AUTO else node
    driver.places.check_node(label, node)
    if node != source.config["node"]:
        _check_shared(driver, label, node, source, sight)
    wants_seed = told_by_task(driver) and seed_slot(sight.stored) is None
    if wants_seed or (driver.storage and not creation["clone"].get("linked")):
        driver.places.choose_storage(label, node, "images", driver.storage)
    _check_number(driver, label, arguments.get("id"))
    _check_pool(driver, label, config.get("pool"))
    check_copying(driver, label, arguments, sight, node)
    if wants_seed:
        sight = replace(sight, stored={**sight.stored, free_seed_slot(sight.stored): "cloudinit,media=cdrom"})
    return Basis(sight, node, bool(config.get("protection")), pool=config.get("pool"))


def _copied(driver, source, snapshot):
    """The options that a clone gets, and nothing of what its source runs with."""
    sight = driver.eyes.seen(source.id)
    taken = find_snapshot(source, snapshot)
    stored = options_in(driver.tool, sight, taken.name) if taken else sight.stored
    return replace(sight, stored=stored, running=stored)


def _check_shared(driver, label, node, source, sight):
    """A machine is cloned to another node only where all that it has is there, too: media and the seed as well."""
    drives = drives_of(sight.stored).values()
    volumes = [drive["file"] for drive in drives if ":" in drive["file"]]
    local = next((one for one in volumes if not driver.places.is_shared(one.partition(":")[0])), None)
    if local:
        raise Refused(
            f"{label}: '{source.name}' cannot be cloned to node '{node}': {local} is on a storage that is not shared.",
            f"Clone it on {source.config['node']}, and move the clone by another task with node.",
        )


def _check_changes(driver, label, basis, changes):
    sight, node = basis.sight, next((change.new for change in changes if change.kind == "node"), basis.node)
    _check_memory(label, changes, sight)
    if basis.is_protected:
        _check_nothing_goes(label, changes)
    if node != basis.node:
        check_move(driver, label, basis, node, any(change.kind == "iso" for change in changes))
    storage = driver.storage or ""
    if needs_storage(changes, sight):
        storage = driver.places.choose_storage(label, node, "images", driver.storage)
    check_writing(driver, label, basis, node, changes, writing_of(changes, sight.stored, storage))
    for change in changes:
        _check_change(driver, label, basis, node, change)
    check_each_once(label, ((change.key, change.new) for change in changes if change.kind == "disks.add"))
    _check_bridges(driver, label, node, _bridges(changes))
    check_reachable(driver, label, node, sight.stored, changes)


def _check_change(driver, label, basis, node, change):
    if change.kind == "pool":
        _check_pool(driver, label, change.new)
        if basis.vmid:
            needs.check_pool_change(driver, label, basis.vmid, (change.old, change.new))
    elif change.kind == "template" and basis.vmid and snapshots_of(driver.tool, basis.sight):
        raise Refused(f"{label}: it has snapshots, and a template has none.", "Remove them first.")
    elif change.kind == "disks.storage":
        check_moving_disk(driver, label, basis, node, change)
    elif change.kind == "disks.add":
        if change.new.get("storage"):
            driver.places.choose_storage(label, node, "images", change.new["storage"])
        check_source(driver, label, basis, node, change.key, change.new)
    elif change.kind == "iso":
        check_iso(driver, label, node, change.new)


def _check_memory(label, changes, sight):
    """The server compares what it is sent with what is stored, also where that is taken away by the same call."""
    asked = {change.key or change.field: change.new for change in changes if change.path in _SIZES_OF_MEMORY}
    if not asked:
        return
    memory = asked.get("memory") or memory_of(sight.stored)
    balloon = asked.get("balloon")
    if balloon in (None, ""):
        # A zero that waits for the next start does not hide what is in force.
        balloon = int(sight.stored.get("balloon", "0")) or sight.running.get("balloon", "0")
    least = int(balloon) * MIB
    if least > memory:
        raise Refused(
            f"{label}: memory would be {human_size(memory)}, and what the guest is left at least (native: balloon)"
            f" {human_size(least)}.",
            "Give native: {balloon: MIB} as well, at most the memory; 0 ends it.",
        )


def _check_nothing_goes(label, changes):
    gone = [change.path for change in changes if change.kind == "disks.remove" or (change.kind, change.new) == _NO_TPM]
    if gone and not any((change.kind, change.new) == _UNPROTECTED for change in changes):
        raise Refused(f"{label}: {gone[0]} cannot be removed, for the machine is protected.", "Set protection: false.")


def _check_parts_stay(label, changes):
    """Of what is taken away in the same step nothing can be set."""
    gone = {change.key for change in changes if change.kind == "disks.remove"}
    gone |= {f"net{change.key}" for change in changes if change.kind == "networks.remove"}
    for change in changes:
        if change.field == "native" and change.key in gone:
            raise Refused(f"{label}: native: {change.key} is taken away by the same task.", "Leave one of both out.")


def _bridges(changes):
    for change in changes:
        if change.kind == "networks.source":
            yield change.new
        elif change.kind == "networks.add":
            yield change.new.get("source")


def _check_number(driver, label, vmid):
    if vmid is None:
        return
    try:
        driver.tool.get("/cluster/nextid", vmid=vmid)
    except ApiError as error:
        if driver.eyes.may_be_in_the_making(vmid, label):
            return
        raise Refused(
            f"{label}: the id {vmid} cannot be used: {error.message}", "Remove id to get the next free one."
        ) from error


def _check_pool(driver, label, pool):
    if not pool:
        return
    known = sorted(one["poolid"] for one in driver.tool.get("/pools"))
    if pool not in known:
        raise NotFound(f"{label}: there is no pool '{pool}'.", f"Its pools: {', '.join(known) or 'none'}.")


def _check_bridges(driver, label, node, asked):
    wanted = {bridge for bridge in asked if bridge}
    if not wanted:
        return
    known = driver.places.bridges(node)
    # Whoever may see no bridge at all learns from the server itself.
    if known and wanted - known:
        missing = sorted(wanted - known)[0]
        raise NotFound(
            f"{label}: networks: node '{node}' has no bridge '{missing}'.", f"Its bridges: {', '.join(sorted(known))}."
        )


def _not_started(label, vm):
    if vm.on:
        return Refused(f"{label}: it cannot be started again once it is a template.", STAYS_OFF)
    return Refused(f"{label}: it is a template, which is not started.", "Clone it, and start the clone.")


def _check_finished(driver, label, vm):
    """No list tells whose making was cut off, so a task that gives powers alone sees it here, and not earlier."""
    if driver.eyes.seen(vm.id).is_unfinished:
        raise Refused(
            f"{label}: a machine of this name was begun ({vm.id}) and not finished, so it is not made to run.",
            "Finish it with the task that began it, or remove it (state: absent).",
        )
