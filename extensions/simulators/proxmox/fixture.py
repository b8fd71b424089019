# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters from a description, such as a file of a user; README.md lists its keys."""

from __future__ import annotations

import json

from . import web as download
from .access import ADMINISTRATOR, Account, Token
from .cluster import Guest, Node, Pool
from .storage import GIB, Storage, Volume
from .timing import Timing
from .world import World
from .worlds import ROOT_PASSWORD, TOKEN_SECRET, add_machine

#: Guests that never react to the power button, with an agent that never answers.
_DEAF = {"stops_within": None, "agent_after": float("inf")}
_GIVEN = {"cpus", "memory", "online", "ip", "pci", "iommu", "usb"}


def read(path, clock=None, version=(9, 2)):
    """The World of a JSON file."""
    return world(json.loads(path.read_text(encoding="utf-8")), clock, version)


def world(given, clock=None, version=(9, 2)):
    made = World(clock, version, local_node=next(iter(given["nodes"])))
    for number, (name, values) in enumerate(given["nodes"].items(), 1):
        node = Node(name, **{"ip": f"192.0.2.{number}"} | {key: values[key] for key in _GIVEN & set(values)})
        made.cluster.nodes[name] = node
        made.cluster.bridges[name] = tuple(given.get("bridges", ()))
    made.cluster.bridges_without_port = _without_port(given.get("bridges", ()))
    for name, values in given.get("storages", {}).items():
        made.storages.add(_storage(name, values))
    _add_volumes(made, given.get("volumes", {}))
    guests = given.get("guests", {})
    made.guest = Guest(**(guests if isinstance(guests, dict) else _DEAF))
    _add_accounts(made, given)
    made.cluster.pools.update({name: Pool() for name in given.get("pools", ())})
    for kind, mappings in given.get("mappings", {}).items():
        made.cluster.mappings[kind].update(mappings)
    made.cluster.tag_style = given.get("tag-style") or {}
    for machine in given.get("vms", ()):
        add_machine(made, **{"node": made.local_node, "options": {}, "guest": made.new_guest(), **machine})
    # The recorded server's statistics were those of the moment.
    made.timing = Timing(**{"statistics": 0.0, **given.get("timing", {})})
    made.statistics.renew()
    return made


def _without_port(bridges):
    """Bridges may be names, or {name: {ports}}."""
    return {name for name in bridges if isinstance(bridges, dict) and bridges[name].get("ports") == ""}


def _storage(name, values):
    nodes = values.get("nodes")
    return Storage(
        name,
        values["type"],
        frozenset(values["content"].split(",")),
        shared=str(values.get("shared", 0)) == "1",
        nodes=frozenset(nodes.split(",")) if nodes else None,
        disabled=bool(values.get("disable")),
        total=values.get("total", 500 * GIB),
        prune=values.get("prune-backups"),
    )


def _add_volumes(world, volumes):
    # A new qcow2 image with 2 GiB, which contains nothing, is a file of this size.
    empty = 196640
    for volid, values in volumes.items():
        storage_id, _colon, name = volid.partition(":")
        storage, kind = world.storages.get(storage_id), name.partition("/")[0]
        content = kind if kind in ("iso", "import", "snippets", "vztmpl") else "images"
        size = values.get("virtual size", values.get("size"))
        for node in world.cluster.nodes:
            volume = Volume(size, values.get("format", "raw"), content, values.get("vmid"))
            volume.file_size = values.get("size", empty) if content != "images" else None
            storage.volumes[storage.key(node, name)] = volume


def _add_accounts(world, given):
    access = world.access
    access.roles.update({name: frozenset(privileges) for name, privileges in given.get("roles", {}).items()})
    for path, who, role in given.get("acl", ()):
        access.allow(path, who, role)
    access.accounts["root@pam"] = Account(ROOT_PASSWORD, tokens={"test": Token(TOKEN_SECRET, separated=False)})
    access.allow("/", "root@pam", ADMINISTRATOR)
    for name, values in given.get("users", {}).items():
        access.accounts[name] = Account(values.get("password"), disabled=bool(values.get("disabled")))
    for values in given.get("tokens", {}).values():
        account = access.accounts.setdefault(values["user"], Account())
        account.disabled |= bool(values.get("user disabled"))
        secret, separated = values.get("secret", TOKEN_SECRET), bool(values.get("privsep"))
        account.tokens[values["token"]] = Token(secret, separated, expired=bool(values.get("expired")))


def web(port, files):
    """A function like ``web.fetch`` for these files, given as texts, at a port of 127.0.0.1; other ports refuse."""

    def fetch(url):
        return download.served(url, port, {name: text.encode() for name, text in files.items()})

    return fetch
