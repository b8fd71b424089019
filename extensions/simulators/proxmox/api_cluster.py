# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints about the whole cluster: version, ticket, permissions, resources, nodes."""

from __future__ import annotations

import time

from . import api_storage, option_rights, propertystring, schema, statistics
from .errors import ParameterError


def version(call):
    major, minor = call.world.schema.version
    return {"version": f"{major}.{minor}.2", "release": f"{major}.{minor}", "repoid": "5ac30304265fbd8e"}


def ticket(call):
    userid = call.get("username")
    if "@" not in userid:
        userid = f"{userid}@{call.get('realm', 'pam')}"
    return call.world.access.login(userid, call.get("password"), call.get("otp"), call.get("tfa-challenge"))


#: Paths that are always returned (get_effective_permissions in RPCEnvironment.pm).
_TOP_PATHS = ("/", "/access", "/access/groups", "/nodes", "/pool", "/sdn", "/storage", "/vms")


def permissions(call):
    world, path = call.world, call.get("path")
    if path:
        return {path: world.access.privileges_on(call.user, path)}
    paths = {*_TOP_PATHS, *(right[0] for right in world.access.rights)}
    for pool in world.cluster.pools.values():
        paths |= {f"/vms/{vmid}" for vmid in pool.vms} | {f"/storage/{name}" for name in pool.storages}
    found = {name: world.access.privileges_on(call.user, name) for name in sorted(paths)}
    return {name: held for name, held in found.items() if held}


def options(call):
    """The datacenter's options; without Sys.Audit only some are returned, such as tag-style (which, is ASSUMED)."""
    cluster, access = call.world.cluster, call.world.access
    seen = [
        machine.config.current.get("tags", "")
        for vmid, machine in cluster.machines.items()
        if access.may(call.user, f"/vms/{vmid}", ["VM.Audit"])
    ]
    found = {"allowed-tags": sorted({tag for tags in seen for tag in schema.split_list(tags)})}
    if access.may(call.user, "/", ["Sys.Audit"]):
        found |= {"description": "", "mac_prefix": "BC:24:11", **cluster.datacenter}
    return found | ({"tag-style": dict(cluster.tag_style)} if cluster.tag_style else {})


def set_options(call):
    cluster = call.world.cluster
    for key in schema.split_list(call.get("delete", "")):
        (cluster.tag_style.clear() if key == "tag-style" else cluster.datacenter.pop(key, None))
    for key in set(call.params) - {"delete", "tag-style"}:
        cluster.datacenter[key] = call.get(key)
    if "tag-style" in call.params:
        style = propertystring.parse(call.get("tag-style"), call.world.schema.property_format("tag-style"))
        cluster.tag_style = style | {"case-sensitive": int(style.get("case-sensitive", "0"))}


def roles(call):
    return call.world.access.role_list()


def acl(call):
    """The entries of the access list, for those who may change permissions."""
    access = call.world.access
    return [
        {"path": path, "ugid": who, "roleid": role, "propagate": int(below), "type": _kind_of(who)}
        for path, who, role, below in access.rights
        if access.may(call.user, path, ["Permissions.Modify"])
    ]


def _kind_of(who):
    return "group" if who.startswith("@") else "token" if "!" in who else "user"


def next_id(call):
    asked = call.get("vmid")
    if asked is None:
        # A string, although the schema says integer.
        return str(call.world.cluster.next_id())
    taken = call.world.cluster.taken_by(int(asked))
    if taken:
        raise ParameterError(vmid=f"{taken[0]} {asked} already exists")
    return asked


def resources(call):
    makers = {"vm": _machines, "node": _nodes, "storage": storage_entries, "pool": _pools}
    kind = call.get("type")
    chosen = makers.values() if kind is None else [makers[kind]] if kind in makers else []
    return [entry for maker in chosen for entry in maker(call)]


def _machines(call):
    world = call.world
    entries = [
        machine_entry(world, machine)
        for vmid, machine in sorted(world.cluster.machines.items())
        if world.access.may(call.user, f"/vms/{vmid}", ["VM.Audit"])
    ]
    containers = [
        {"id": f"lxc/{vmid}", "vmid": vmid, "node": node, "type": "lxc", "status": "stopped", "name": f"CT{vmid}"}
        for vmid, node in sorted(world.cluster.containers.items())
        if world.access.may(call.user, f"/vms/{vmid}", ["VM.Audit"])
    ]
    return entries + containers


def machine_entry(world, machine):
    """A VM of /cluster/resources: node, lock, tags and pool are current, all else is from the last broadcast."""
    found = {"id": f"qemu/{machine.vmid}", "vmid": machine.vmid, "node": machine.node, "type": "qemu"}
    found |= world.statistics.of(machine.vmid)
    found.pop("serial", None)
    if not world.cluster.nodes[machine.node].online:
        found["status"] = "unknown"
    options = machine.config.current
    found |= {key: options[key] for key in ("lock", "tags") if key in options}
    if machine.ha:
        found["hastate"] = "started"
    pool = world.cluster.pool_of(machine.vmid)
    return found | ({"pool": pool} if pool else {})


def _nodes(call):
    return nodes(call)


def storage_entries(call):
    """The storages that the caller may see, once for each node."""
    access = call.world.access
    return [
        entry
        for entry in storage_reports(call.world)
        if access.may(call.user, f"/storage/{entry['storage']}", ["Datastore.Audit", "Datastore.AllocateSpace"], True)
    ]


def storage_reports(world):
    return [
        {
            "id": f"storage/{node}/{storage.id}",
            "type": "storage",
            "storage": storage.id,
            "node": node,
            "plugintype": storage.type,
            "content": ",".join(sorted(storage.content)),
            "shared": int(storage.shared),
            **_report_on(world, storage, node),
        }
        for storage in world.storages.by_id.values()
        for node in world.cluster.nodes
        if storage.is_on(node) and not storage.disabled
    ]


def _report_on(world, storage, node):
    """What a node reports of a storage. ASSUMED: nothing as soon as it is offline; the real list forgets it later."""
    if not world.cluster.nodes[node].online:
        return {"status": "unknown"}
    return {"status": "available", "maxdisk": storage.total, "disk": api_storage.used_on(world, storage, node)}


def _pools(call):
    return [{"id": f"/pool/{name}", "type": "pool", "pool": name} for name in sorted(call.world.cluster.pools)]


def nodes(call):
    world = call.world
    return [
        _node(world, node, world.access.may(call.user, f"/nodes/{node.name}", ["Sys.Audit"]))
        for node in world.cluster.nodes.values()
    ]


def _node(world, node, may_see=True):
    """An entry of a node; only callers with the right to see it get its status values."""
    entry = {"id": f"node/{node.name}", "type": "node", "node": node.name, "level": "", "ssl_fingerprint": "00:00"}
    entry["status"] = "online" if node.online else "offline"
    if node.online and may_see:
        running = [
            machine for machine in world.cluster.machines.values() if machine.node == node.name and machine.running
        ]
        used = sum(statistics.memory_of(machine.config.current) for machine in running) << 20
        entry |= {"maxcpu": node.cpus, "cpu": 0.01 * len(running), "maxmem": node.memory, "mem": used + (1 << 30)}
    return entry


def node_status(call):
    """Source: the schema of the API (facts of the node's kernel), and its permissions."""
    call.world.access.require(call.user, f"/nodes/{call.node}", ["Sys.Audit"])
    node = call.world.cluster.nodes[call.node]
    entry = _node(call.world, node)
    return {
        "current-kernel": {"sysname": "Linux", "machine": node.machine},
        "memory": {"total": node.memory, "used": entry["mem"], "free": node.memory - entry["mem"]},
        "cpu": entry["cpu"],
        "cpuinfo": {"cpus": node.cpus, "sockets": 1},
        "uptime": int(call.world.now),
    }


def node_time(call):
    """The time of the simulator's host: simulated time begins at a date of its own, which clients would not believe."""
    now = int(time.time()) + call.world.cluster.nodes[call.node].clock_ahead
    return {"timezone": "UTC", "time": now, "localtime": now}


def cpu_models(call):
    """CPU models; custom ones only for callers with the right to see nodes."""
    known, may_see = call.world.schema, call.world.access.may(call.user, "/nodes", ["Sys.Audit"])
    found = [
        {"name": name, "custom": 0, "vendor": "default", **({"abstract": 1} if name.startswith("x86-64-v") else {})}
        for name in sorted(known.cpu_models)
    ]
    custom = sorted(known.custom_cpu_models) if may_see else ()
    return found + [{"name": f"custom-{name}", "custom": 1, "vendor": "default"} for name in custom]


def status(call):
    """A node without a cluster is alone in the list, and has no quorum (list_node)."""
    world, names = call.world, list(call.world.cluster.nodes)
    is_alone = len(names) == 1
    entry = {"type": "cluster", "id": "cluster", "name": "simulated", "quorate": int(world.cluster.has_quorum())}
    return ([] if is_alone else [{**entry, "nodes": len(names), "version": 1}]) + [
        {
            "type": "node",
            "id": f"node/{node.name}",
            "name": node.name,
            "ip": node.ip,
            "level": "",
            "local": int(node.name == world.local_node),
            "nodeid": 0 if is_alone else number,
            "online": int(node.online),
        }
        for number, node in enumerate(world.cluster.nodes.values(), 1)
    ]


def ha_resources(call):
    """What high availability manages."""
    machines = sorted(call.world.cluster.machines.items())
    return [{"sid": f"vm:{vmid}", "type": "vm", "state": "started"} for vmid, machine in machines if machine.ha]


def bridges(call):
    """The bridges that the caller may use or see; those without a port have no way out for VLANs."""
    cluster, kind = call.world.cluster, call.get("type")
    return [
        {"iface": name, **_bridge(cluster, name)}
        for name in cluster.bridges.get(call.node, ())
        if kind in (None, "bridge", "any_bridge", "any_local_bridge", "include_sdn")
        and option_rights.sees_bridge(call, name)
    ]


def bridge(call):
    cluster, name = call.world.cluster, call.get("iface")
    if name not in cluster.bridges.get(call.node, ()):
        raise ParameterError(iface="interface does not exist")
    return _bridge(cluster, name)


def _bridge(cluster, name):
    ports = "" if name in cluster.bridges_without_port else "eno1"
    aware = {"bridge_vlan_aware": 1} if name in cluster.vlan_aware else {}
    return {"type": "bridge", "active": 1, "autostart": 1, "bridge_ports": ports, **aware}
