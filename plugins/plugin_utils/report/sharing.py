# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What VMs have in common, and so depend on: networks of their hosts, and the images that they were created from."""

from __future__ import annotations


def networks(vms):
    """[{platform, host, node, type, source, vms}]: the networks that at least one VM is connected to."""
    users = {}
    for vm in vms:
        for one in vm["networks"]:
            place = (vm["platform"], vm["host"], vm["node"] or "", one["type"] or "", one["source"] or "")
            _add(users, place, vm)
    names = ("platform", "host", "node", "type", "source")
    return [
        {**{name: part or None for name, part in zip(names, place)}, "vms": keys}
        for place, keys in sorted(users.items())
    ]


def images(vms):
    """[{name, digest, vms}]: the images that VMs were created from, on all hosts."""
    users = {}
    for vm in vms:
        if vm["image"]:
            _add(users, (str(vm["image"]["name"]), vm["image"].get("digest") or ""), vm)
    return [{"name": name, "digest": digest or None, "vms": keys} for (name, digest), keys in sorted(users.items())]


def _add(users, place, vm):
    keys = users.setdefault(place, [])
    if vm["key"] not in keys:
        keys.append(vm["key"])
