# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: the modules virsh_pool and virsh_pool_info: reading storage pools and their users, carrying out steps."""

from __future__ import annotations

import os
import re
import stat
import xml.etree.ElementTree as ET

from ..._core.frozen import replace
from ..._core.options.option import Option
from ..._kit.connections import LIBVIRT as CONNECTION
from ..._ports import files
from ..._ports.command import Commands
from ..._tools import virsh_output as output
from ..._tools.domain_xml import Definition, file_or_device_of
from ..._tools.virsh import is_local, is_not_found, raise_for_errors
from . import pool_options
from .defined_host import DefinedHost, connect, needs_restart, reported, restart_warnings, shown_state
from .defined_plan import ABSENT
from .pool_options import BUILT, DIR, TYPES, checked
from .pool_plan import PoolState, plan_pool

INFO_OPTIONS = {**CONNECTION, "name": Option()}


def make_host(params):
    """Return the host for the parameters of virsh_pool. Raises InvalidInput before anything is read."""
    return PoolHost(checked(params))


class Pools:
    """The storage pools of one connection to libvirt."""

    def __init__(self, virsh):
        self.virsh = virsh
        self._pools, self._information, self._vms, self._unsupported, self._formats = {}, {}, [], frozenset(), {}

    @property
    def names(self):
        return sorted(self._pools)

    def read(self):
        """Read all pools, and the disks of all VMs, by two virsh processes."""
        of_vms = ("list", "--uuid", "--name")
        lists = [("pool-list", "--all", "--name"), of_vms, (*of_vms, "--inactive")]
        answers = self.virsh.batch([*lists, ("pool-capabilities",)])
        raise_for_errors(lists, answers)
        names = output.names(answers[0].stdout)
        running, stopped = (dict(output.domains(answer.stdout)) for answer in answers[1:3])
        vms = {**stopped, **running}
        self._unsupported, self._formats = _capabilities(answers[3])
        questions = [words for name in names for words in _questions(name)] + [("dumpxml", uuid) for uuid in vms]
        found = iter(self.virsh.batch(questions) if questions else ())
        self._pools, self._information = {}, {}
        for name in names:
            self._add(name, *(next(found) for _words in _questions(name)))
        known = [(uuid, one) for uuid, one in zip(vms, found) if not is_not_found(one.error)]
        # A definition that cannot be read may name any volume.
        read = [(uuid, None if one.error else Definition(one.stdout)) for uuid, one in known]
        self._vms = [(vms[uuid], definition, uuid in running) for uuid, definition in read]

    def _add(self, name, information, current, stored, volumes):
        if information.error or current.error:
            return
        said = output.key_values(information.stdout)
        is_active = said.get("State") == "running"
        is_stored = said.get("Persistent") == "yes"
        texts = (current.stdout if is_active else None, _stored(current, stored) if is_stored else None)
        self._information[name] = said
        paths = re.findall(r"\s{2,}(/.*\S)\s*$", "" if volumes.error else volumes.stdout, re.MULTILINE)
        self._pools[name] = (*(None if text is None else ET.fromstring(text) for text in texts), tuple(sorted(paths)))

    def state(self, name, path=None):
        """Return the PoolState of a pool; ``path`` is the directory that a task requests."""
        running, stored, volumes = self._pools.get(name, (None, None, ()))
        root = running if stored is None else stored
        found = {} if root is None else pool_options.read(root)
        path = path or found.get("path")
        others = {
            pool_options.read(one)["path"]: other
            for other, (*roots, _volumes) in self._pools.items()
            for one in roots
            if one is not None and other != name and one.get("type") in TYPES
        }
        directory = _directory(path) if is_local(self.virsh.uri) else {}
        # libvirt compares texts only: with a symbolic link, it accepts two pools in one directory.
        place = files.identity(path) if path and is_local(self.virsh.uri) else None
        twins = [other for one, other in others.items() if one and place and files.identity(one) == place]
        is_autostarted = self._information.get(name, {}).get("Autostart") == "yes"
        guests = self._users(name, found, True) if running is not None else ()
        return PoolState(
            name, running, stored, is_autostarted, guests, volumes, others, self._unsupported, directory,
            formats=self._formats, twin=twins[0] if twins else None,
            users=() if root is None else self._users(name, found, False),
        )  # fmt: skip

    def _users(self, name, found, is_on):
        """Return the VMs, which run or not, with a volume: by the name of the pool, or by a file that would vanish."""
        is_own = found["type"] in TYPES
        below = f"{found['path']}/" if is_own and found["type"] != DIR else None
        # Other pools, and devices of the host, may be in the directory of the pool.
        devices = frozenset() if is_own else {self._identity(path) for path in self._pools[name][2]}
        vms = [(vm, definition) for vm, definition, on in self._vms if on == is_on]
        return tuple(sorted(vm for vm, definition in vms if self._uses(definition, name, below, devices)))

    def _identity(self, path):
        return files.identity(path) if is_local(self.virsh.uri) else path

    def _uses(self, definition, pool, below, devices):
        if definition is None:
            return True
        disks = definition.drives("disk", "lun", "cdrom", "floppy")
        if any((one.find("source") is not None and one.find("source").get("pool") == pool) for one in disks):
            return True
        paths = [path for path in map(file_or_device_of, disks) if path]
        return any(
            (below and path.startswith(below)) or (devices and self._identity(path) in devices) for path in paths
        )

    def missing(self, wanted):
        """Return the requested sources that do not exist, as far as libvirt or this host can tell."""
        missing = {}
        if wanted["device"] and is_local(self.virsh.uri) and not _is_block_device(wanted["device"]):
            missing["device"] = wanted["device"]
        if wanted["volume_group"]:
            (found,) = self.virsh.batch([("find-storage-pool-sources", "logical")])
            names = set() if found.error else {one.text for one in ET.fromstring(found.stdout).iter("name")}
            if wanted["volume_group"] not in names:
                missing["volume_group"] = wanted["volume_group"]
        return missing

    def sizes(self, name):
        """Return capacity and allocation of a pool that runs, in bytes."""
        running = self._pools[name][0]
        if running is None:
            return {"capacity": None, "allocation": None, "available": None}
        texts = {key: running.findtext(key) for key in ("capacity", "allocation", "available")}
        return {key: None if text is None else int(text) for key, text in texts.items()}


def _questions(name):
    return [
        ("pool-info", name), ("pool-dumpxml", name), ("pool-dumpxml", name, "--inactive"), ("vol-list", name)
    ]  # fmt: skip


def _stored(current, stored):
    """libvirt's test driver has only one definition, and does not know --inactive."""
    return current.stdout if stored.error else stored.stdout


def _capabilities(answer):
    """Return (types that are not supported, {type: formats of its source}); libvirt before 5.2 says neither."""
    pools = [] if answer.error else [*ET.fromstring(answer.stdout).iter("pool")]
    formats = "poolOptions/enum[@name='sourceFormatType']/value"
    return (
        frozenset(one.get("type") for one in pools if one.get("supported") == "no"),
        {one.get("type"): tuple(value.text for value in one.findall(formats)) for one in pools},
    )


def _is_block_device(path):
    try:
        return stat.S_ISBLK(os.stat(path).st_mode)
    except OSError:
        return False


def _directory(path):
    """Return mode, owner and group of a directory, or None if it does not exist."""
    if path is None:
        return {}
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        return {"is_directory": False}
    except OSError:
        return {}
    return {
        "mode": f"0{stat.S_IMODE(found.st_mode):03o}",
        "owner": found.st_uid,
        "group": found.st_gid,
        "is_directory": stat.S_ISDIR(found.st_mode),
    }


class PoolHost(DefinedHost):
    def __init__(self, wanted):
        super().__init__(wanted, connect(Commands(), wanted))
        self._pools = Pools(self._virsh)
        #: The pool before the first change.
        self._first = None

    def read(self):
        self._pools.read()
        state = self._pools.state(self._wanted["name"], self._wanted["path"])
        state = replace(state, missing=self._pools.missing(self._wanted))
        self._first, self._read = self._first or state, state
        return state

    def plan(self, state):
        steps, self._after = plan_pool(self._wanted, state, "pool-refresh" in self._made)
        return steps

    def facts(self, state, steps):
        after = state if self._after is None else self._after
        is_absent = self._wanted["state"] == ABSENT and self._first.exists
        is_pending = needs_restart(state.name, steps)
        warnings = restart_warnings("pool", state, is_pending, self._wanted["allow_restart"])
        if is_absent and self._first.users:
            users = ", ".join(self._first.users)
            warnings.append(f"{state.name}: these VMs are defined with volumes of the deleted pool: {users}.")
        if after.running is not None:
            warnings += _lost_directory(state, after.values["path"])
        return {
            "restart_required": is_pending,
            "warnings": warnings,
            "pool": shown_state(after) if after.exists else None,
            "in_use": list(state.guests),
            "kept": _kept(self._first) if is_absent else [],
        }


def _lost_directory(state, path):
    """Return a warning if the directory of a running pool vanished: libvirt reports it as active nevertheless.

    ``path`` is the directory that was read, which is another one if the pool is moved.
    """
    running = None if state.running is None else pool_options.read(state.running)
    if state.directory is not None or running is None or running["type"] not in BUILT:
        return []
    if running["path"] != path:
        return []
    remedy = "To create it, stop the pool (state: inactive), and start it."
    return [f"{state.name}: {path} does not exist any more, so the pool cannot be used. {remedy}"]


def _kept(state):
    """Return what remains of a deleted pool: its volumes, or where they are if it did not run."""
    return list(state.volumes) or [path for path in (state.values["path"],) if path]


def report(params, _check):
    """Return the result of virsh_pool_info."""
    pools = Pools(connect(Commands(), params))
    pools.read()
    names = [name for name in pools.names if params["name"] in (None, name)]
    return {"changed": False, "warnings": [], "pools": [_reported(pools, pools.state(name)) for name in names]}


def _reported(pools, state):
    return {
        **reported(state, lambda pool: pool_options.needs_restart(pool.running, pool.stored)),
        "in_use": list(state.guests),
        "volumes": list(state.volumes),
        **pools.sizes(state.name),
    }
