# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The running network compared with the stored one: what libvirt can change while it runs, and what waits. Pure."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from .virsh_network_values import remove

#: {option: section of net-update} of what libvirt can change while a network runs.
SECTIONS = {"ranges": "ip-dhcp-range", "hosts": "ip-dhcp-host", "dns": "dns-host"}
_PATHS = {"ranges": "ip/dhcp/range", "hosts": "ip/dhcp/host", "dns": "dns/host"}


def canonical(element):
    """Return an element as a text that is the same for the same content, in whatever order."""
    children = sorted(canonical(child) for child in element)
    return f"{element.tag}{sorted(element.attrib.items())}{(element.text or '').strip()}({';'.join(children)})"


def updates(option, running, wanted):
    """Return [(command of net-update, XML, options)] that lead from a running definition to ``wanted``."""
    before, after = (_sections(root, option) for root in (running, wanted))
    gone = [("delete", *before[key]) for key in before if key not in after]
    if option == "dns":
        gone = [(command, _address_alone(text), more) for command, text, more in gone]
    return gone + [("add", *after[key]) for key in after if key not in before]


def _address_alone(text):
    """libvirt finds an entry of DNS by each of its names, too, and deletes none if it has found several."""
    return _xml(ET.Element("host", {"ip": ET.fromstring(text).get("ip")}))


def _sections(root, option):
    """Return {text: (XML, options)} of the elements of a section, with the place of their subnet."""
    if option == "dns":
        return {canonical(one): (_xml(one), ()) for one in root.findall(_PATHS[option])}
    tag = _PATHS[option].rpartition("/")[2]
    return {
        f"{place} {canonical(one)}": (_xml(one), ("--parent-index", str(place)))
        for place, element in enumerate(root.findall("ip"))
        for one in element.findall(f"dhcp/{tag}")
    }


def _xml(element):
    copied = ET.fromstring(ET.tostring(element))
    copied.tail = None
    return ET.tostring(copied, encoding="unicode")


def start_content(root):
    """Return what a network gets at its start only, as a text: running and stored definition are compared by it."""
    root = ET.fromstring(ET.tostring(root))
    root.attrib.pop("connections", None)
    for tag in ("uuid", "mac", "title", "description", "metadata"):
        remove(root, root.findall(tag))
    for path in _PATHS.values():
        parents = {child: parent for parent in root.iter() for child in parent}
        for element in root.findall(path):
            parents[element].remove(element)
    forward = root.find("forward")
    if forward is not None:
        for nat in forward.findall("nat"):
            # libvirt shows this default in the running definition only.
            remove(nat, [one for one in nat.findall("port") if one.attrib == {"start": "1024", "end": "65535"}])
        remove(forward, [one for one in forward.findall("nat") if not one.attrib and not len(one)])
    for element in root.findall("ip"):
        remove(element, [one for one in element.findall("dhcp") if not len(one)])
    remove(root, [one for one in root.findall("dns") if not len(one) and not one.attrib])
    return canonical(root)
