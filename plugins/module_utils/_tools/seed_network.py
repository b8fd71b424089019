# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A seed's network configuration (version 2) from cloud_init.ip_config, nameservers and search_domains."""

from __future__ import annotations

from collections.abc import Mapping

from .._core.errors import InvalidInput
from .._core.options import ip_config

_OPTIONS = ("ip_config", "nameservers", "search_domains")
#: If only DNS is set, the first NIC uses DHCP, as without a seed.
_BY_DHCP = ("ip=dhcp",)
#: Default routes in the form that all versions of cloud-init and netplan support.
_DEFAULT = {"gw": "0.0.0.0/0", "gw6": "::/0"}


def macs_by_place(found, wanted=None):
    """MACs in the order of the NICs: the one in ``wanted`` if set, else the one in ``found``; None if unknown."""
    wanted = wanted or {}
    places = sorted({*found, *wanted}, key=int)
    return [(wanted.get(place) or {}).get("mac") or (found.get(place) or {}).get("mac") for place in places]


def network_config(cloud_init, macs):
    """The document as a mapping or text; None if none of its options is set. Raises InvalidInput."""
    given = [option for option in _OPTIONS if cloud_init.get(option)]
    if not given:
        return _as_read(cloud_init.get("network_config"))
    if cloud_init.get("network_config"):
        raise InvalidInput(
            f"cloud_init: network_config and {given[0]} cannot be combined.",
            f"Put addresses and DNS into network_config, or use only {', '.join(_OPTIONS)}.",
        )
    entries = ip_config.normalized("cloud_init: ip_config", cloud_init.get("ip_config") or ()) or _BY_DHCP
    dns = _dns(cloud_init)
    nics = {place: entry for place, entry in enumerate(entries) if entry}
    return {
        "version": 2,
        "ethernets": {f"eth{place}": {**_nic(place, entry, macs), **dns} for place, entry in nics.items()},
    }


def _as_read(config):
    """Return network_config as the data source NoCloud reads it; otherwise, the guest would have no network.

    Without the key ``network``, which other files have around it. Source: parse_net_config_data in cloud-init's
    cloudinit/net/network_state.py (22.4).
    """
    if not isinstance(config, Mapping):
        return config
    config = config["network"] if set(config) == {"network"} and isinstance(config["network"], Mapping) else config
    problem = "" if config in ({}, {"config": "disabled"}) else _unreadable(config)
    if problem:
        raise InvalidInput(
            f"cloud_init: network_config: {problem}.",
            "Set version: 2 with ethernets, or version: 1 with a list config.",
        )
    return config


def _unreadable(config):
    """Return why NoCloud cannot read a network configuration, or an empty string."""
    version, others = config.get("version"), sorted(config.keys() - {"version", "config"})
    if version not in (1, 2) or not isinstance(version, int) or isinstance(version, bool):
        return f"its version is {version!r}, not the number 1 or 2"
    if version == 2:
        return "version 2 has no config" if "config" in config else ""
    if others:
        return f"version 1 has no {others[0]}"
    return "" if isinstance(config.get("config"), list) else "version 1 needs a list config"


def _dns(cloud_init):
    addresses = ip_config.servers("cloud_init: nameservers", cloud_init.get("nameservers") or ())
    search = [word for entry in cloud_init.get("search_domains") or () for word in entry.split()]
    reported = {"addresses": addresses, "search": search}
    return {"nameservers": {name: words for name, words in reported.items() if words}} if addresses or search else {}


def _nic(place, entry, macs):
    """One NIC, matched by MAC and named by number, because guests name NICs in different ways."""
    parts = ip_config.parts_of(entry)
    addresses = [parts[name] for name in ("ip", "ip6") if ip_config.is_address(parts.get(name))]
    routes = [_route(to, parts, name) for name, to in _DEFAULT.items() if name in parts]
    return {
        "match": {"macaddress": _mac(place, macs)},
        "set-name": f"eth{place}",
        "dhcp4": parts.get("ip") == "dhcp",
        "dhcp6": parts.get("ip6") == "dhcp",
        **({"accept-ra": True} if parts.get("ip6") == "auto" else {}),
        **({"addresses": addresses} if addresses else {}),
        **({"routes": routes} if routes else {}),
    }


def _route(to, parts, name):
    """A guest with a single address as its network (/32) reaches its gateway directly, which has to be set."""
    return {"to": to, "via": parts[name], **({"on-link": True} if ip_config.is_outside(parts, name) else {})}


def _mac(place, macs):
    if place >= len(macs):
        raise InvalidInput(
            f"cloud_init: ip_config has an entry for NIC {place}, but the VM has {len(macs)} NICs.",
            "Add the NIC to networks, or remove the entry.",
        )
    if not macs[place]:
        raise InvalidInput(
            f"cloud_init: ip_config has an entry for NIC {place}, but its MAC address is not known when the seed"
            " is created: the NIC is added to the clone.",
            f"Set mac in entry {place} of networks.",
        )
    return macs[place]
