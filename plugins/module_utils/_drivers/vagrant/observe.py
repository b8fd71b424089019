# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at the machines of a project: Ruby is started only where nobody else can be asked, and once for all."""

from __future__ import annotations

from dataclasses import replace

from ..._lifecycle.errors import NotFound, Unavailable
from ..._lifecycle.model import ABSENT, RUNNING, STOPPED, UNKNOWN, Address, Vm
from . import by_status
from .fields import that_run
from .mapping import DESCRIPTIVE, config_of, note_of_ssh

#: What is of the file and not of the machine: it is the same at once, whether the machine runs or not.
_OF_FILE = (*DESCRIPTIVE, "environment")
#: Seconds between our note of the moment in which a snapshot was begun, and the provider's.
_SAME = 30


def observe_vms(driver, contents, targets, facets):
    """[Vm] of the machines of ``targets`` (None: all), and the names of all machines of the project."""
    names = _meant(contents, targets)
    statuses, provider_vms = {}, _asked_of_providers(driver, contents, names, facets)
    if _is_vagrant_needed(driver, contents, targets, names, provider_vms):
        statuses, told = by_status.observe(driver.vagrant_on, driver.project.dotfile, facets)
        # A machine of the same name that another Vagrantfile made is none of ours.
        provider_vms = {**{name: one for name, one in told.items() if _is_made(contents, name)}, **provider_vms}
        names = [*names, *(name for name in statuses if name not in names and _is_meant(name, targets))]
        driver.project.described = frozenset(statuses)
    told = driver.told_by_ssh_config(list(_unreached(driver, contents, provider_vms, facets)))
    vms = [_machine(driver, contents, name, provider_vms.get(name), told.get(name)) for name in names]
    return [vm for vm in vms if vm is not None], tuple({**contents.known, **statuses})


def _is_made(contents, name):
    return name in contents.known and contents.known[name].made is not None


def _meant(contents, targets):
    if targets is None:
        return list(contents.known)
    return [one.name for one in contents.known.values() if any(_selects(target, one) for target in targets)]


def _selects(target, known):
    return (known.made is not None and known.made.id == target.id) if target.id else known.name == target.name


def _is_meant(name, targets):
    return targets is None or any(target.name == name and not target.id for target in targets)


def _asked_of_providers(driver, contents, names, facets):
    """{name: ProviderVm} of the machines whose providers have a tool here, and know them."""
    by_host = {}
    for name in names:
        host = driver.host_of(contents.known[name])
        if host is not None:
            by_host.setdefault(host, {})[contents.known[name].made.id] = name
    found = {}
    for host, ids in by_host.items():
        told = host.observe(list(ids), facets)
        driver.elsewhere.update(set(ids) - set(told))
        found.update({ids[one]: provider_vm for one, provider_vm in told.items()})
    return found


def _is_vagrant_needed(driver, contents, targets, names, provider_vms):
    # Who is not known where we looked may be with another host, which the box or the user's settings name.
    unseen = [name for name in names if _is_made(contents, name) and name not in provider_vms]
    if driver.project.managed:
        return bool(unseen)
    if not driver.project.exists():
        _check_none_is_left(driver.project.path, unseen)
        return False
    # What the user's file describes only Ruby can tell; and where its machines are, it may tell too.
    is_listed = targets is None or any(not target.id and target.name not in names for target in targets)
    return is_listed or any(name not in provider_vms for name in names)


def _check_none_is_left(path, names):
    """Raise where machines were made of a user's file that is gone: nobody can tell how they stand."""
    if names:
        raise NotFound(
            f"{names[0]}: there is no {path}, of which Vagrant made it, so nobody can tell how it stands.",
            "Put the file back, or remove the machine by its provider's own program, and then its folder in .vagrant.",
        )


def _unreached(driver, contents, provider_vms, facets):
    """Running machines of which it takes Vagrant to tell by whom they are reached, or where."""
    for name, provider_vm in provider_vms.items():
        known = contents.known.get(name)
        if provider_vm.power != RUNNING or known is None or not driver.project.exists():
            continue
        # Our note is missing where a task was killed before it, or somebody started the machine by hand.
        is_unknown = "ssh" not in known.note and ("addresses" in facets or ("config" in facets and known.machine))
        if is_unknown if driver.host_of(known) else "addresses" in facets:
            yield name


def _machine(driver, contents, name, provider_vm, told):
    known = contents.known.get(name)
    if provider_vm is None and _is_made(contents, name) and not driver.project.describes(name):
        reason = f"{driver.project.path} does not describe it any more, and only Vagrant can tell its state"
        return Vm(name=name, id=known.made.id, power=UNKNOWN, reason=reason)
    if known is None or (known.machine is None and provider_vm is None):
        # Vagrant would make it of the user's file, and runs what it makes.
        return Vm.absent(name).having(recipe=driver.project.path)
    config = config_of(known.machine, contents.environment) if known.machine else {}
    if provider_vm is None:
        return Vm(name=name, power=STOPPED, config=config)
    is_on = provider_vm.power not in (STOPPED, ABSENT)
    return Vm(
        name=name,
        id=known.made.id,
        power=provider_vm.power,
        reason=provider_vm.reason,
        busy=provider_vm.busy,
        config=config,
        active=_active(known, config, provider_vm) if is_on and config else None,
        snapshots=tuple(_as_noted(one, known, config) for one in provider_vm.snapshots),
        addresses=_addresses(provider_vm, told),
        ssh=_ssh(known, provider_vm, told) if provider_vm.power == RUNNING else None,
        # What the managed file describes is ours; our note, which says what it ran with, may be missing.
        mark={"id": known.made.id} if known.machine else None,
        effective=provider_vm.running,
    )


def _active(known, config, provider_vm):
    """What it runs with: as noted at its last start by us, and what the provider tells of it, whoever started it."""
    ran = known.note.get("ran")
    # A start that did not end well, or was not ours, leaves open whether it has set up the guest.
    noted = {**config_of(ran), **{word: config[word] for word in _OF_FILE}} if ran else {"provisioners": ()}
    if that_run(noted["provisioners"]) == that_run(config["provisioners"]):
        noted["provisioners"] = config["provisioners"]
    # What is left to the box is in no description.
    told = {word: value for word, value in provider_vm.running.items() if config[word] is not None}
    return {**noted, **told}


def _as_noted(snapshot, known, config):
    """A snapshot with what the machine was when it was taken, where we took it: of that the provider tells little."""
    then = known.note.get("snapshots", {}).get(snapshot.name)
    # One of the same name that was taken later is somebody else's.
    if then is None or (snapshot.created and abs(snapshot.created - then["created"]) > _SAME):
        return snapshot
    if not snapshot.created:
        snapshot = replace(snapshot, created=then["created"], power=then["power"])
    if then["machine"] is None or not config:
        return snapshot
    return replace(snapshot, config={**config_of(then["machine"]), **{word: config[word] for word in _OF_FILE}})


def _addresses(provider_vm, told):
    """What the provider tells; else what Vagrant connects to, unless that is a port of this host."""
    if provider_vm.addresses or told is None or provider_vm.ssh or told.host.startswith("127."):
        return provider_vm.addresses
    return (Address(told.host, "vagrant"),)


def _ssh(known, provider_vm, told):
    """Where SSH is reached, and by which user and key as Vagrant told when it had started the machine, or tells now."""
    noted = known.note.get("ssh") or (note_of_ssh(told) if told else {})
    place = provider_vm.ssh or next(((one.address, noted.get("port", 22)) for one in provider_vm.addresses), None)
    place = place or ((told.host, told.port) if told else None)
    if place is None:
        return None
    key_file = known.made.key_file or noted.get("key_file")
    return {"host": place[0], "port": place[1], "user": noted.get("user"), "key_file": key_file, "scope": "host"}


def find(commands, executable):
    """Whether a program is here."""
    try:
        commands.find(executable)
    except Unavailable:
        return False
    return True
