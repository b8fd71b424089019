# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Descriptors of one VM in the styles of their writers, with what each of them means.

The rules are those of DSP0243, the styles those of public descriptors and of the sources of their writers.
"""

from __future__ import annotations

from collections import namedtuple

_XSI = "http://www.w3.org/2001/XMLSchema-instance"
#: ``number``: the element of an instance; ``bus``: of a controller's address; ``disk``: the types of its items.
Style = namedtuple("Style", "dialect number bus disk parent resource", defaults=("Parent", "ovf:/disk/"))
STYLES = {
    "vmware": Style(1, "InstanceID", "Address", ("17",)),
    "ovftool": Style(1, "InstanceID", "Address", ("17",), resource="/disk/"),
    "esx": Style(0, "InstanceId", "BusNumber", ("17",)),
    "virtualbox": Style(2, "InstanceID", "Address", ("17", "31")),
    "xenserver": Style(1, "InstanceID", "Address", ("19",), parent=None),
    "ovirt": Style(0, "InstanceId", "Address", ("17",), parent="zeros"),
}
#: The same memory, 1536 MiB.
MEMORY = [("1536", one) for one in ("byte * 2^20", "MegaBytes", "MB", "MiB", "byte*1024*1024", "byte * 2 ^ 20", "")]
MEMORY += [("1.5", "GigaBytes"), ("1.5", "byte * 2^30"), ("3145728", "byte * 512"), ("1610612736", "byte")]
#: The same disk, 1 GiB.
CAPACITIES = [
    ("1073741824", None),
    ("1", "byte * 2^30"),
    ("1024", "byte * 2^20"),
    ("1024", "MB"),
    ("2097152", "byte*512"),
]
_TYPES = {"ide": "5", "scsi": "6", "sata": "20"}
FOREIGN = '<x:Hint xmlns:x="urn:x" ovf:required="false"><x:Inner ovf:required="true"/></x:Hint>'


def _item(style, values, tag="Item", bound=""):
    space = {"StorageItem": "sasd", "EthernetPortItem": "epasd"}.get(tag, "rasd")
    rest = "".join(f"<{space}:{name}>{text}</{space}:{name}>" for name, text in values.items() if text is not None)
    return f"<{tag}{bound and f' ovf:bound={chr(34)}{bound}{chr(34)}'}>{rest}</{tag}>"


def written(style, random):
    """Return (a descriptor, {what it means}); its items are in any order, as DSP0243 permits."""
    buses = [
        (kind, bus) for kind, most in (("ide", 2), ("scsi", 4), ("sata", 2)) for bus in range(random.randint(0, most))
    ]
    ids = {one: str(number) for number, one in enumerate(random.sample(buses, len(buses)), 100)}
    places = [(one, unit) for one in buses for unit in random.sample(range(7), random.randint(0, 3))][:12]
    memory, unit = random.choice(MEMORY)
    items = [
        ("controller", one, {style.number: ids[one], "ResourceType": _TYPES[one[0]], style.bus: one[1]})
        for one in buses
    ]
    for number, (one, place) in enumerate(places):
        parent = {"Parent": ids[one], "zeros": "00000000-0000-0000-0000-000000000000"}.get(style.parent)
        values = {style.number: 200 + number, "ResourceType": random.choice(style.disk), "Parent": parent}
        values.update(AddressOnParent=place, HostResource=f"{style.resource}d{number}")
        items.append(("disk", (one, place, number), values))
    items += [("cpu", None, {style.number: 1, "ResourceType": "3", "VirtualQuantity": 2})]
    items += [
        ("memory", None, {style.number: 2, "ResourceType": "4", "AllocationUnits": unit, "VirtualQuantity": memory})
    ]
    items += [
        ("nic", None, {style.number: 3, "ResourceType": "10", "Connection": "LAN", "ResourceSubType": "VmxNet3,E1000"})
    ]
    random.shuffle(items)
    texts = []
    for what, _about, values in items:
        tags = {"disk": "StorageItem", "nic": "EthernetPortItem"} if style.dialect == 2 else {}
        if what in ("cpu", "memory") and random.random() < 0.5:
            own = random.choice([values[style.number], 900])
            bound = random.choice(["min", "max"])
            texts.append(
                _item(style, {**values, style.number: own, "VirtualQuantity": 7 if own == 900 else None}, bound=bound)
            )
        texts.append(_item(style, values, tags.get(what, "Item")))
    kinds = list(dict.fromkeys(about[0] for what, about, _values in items if what == "controller"))
    disks = [about for what, about, _values in items if what == "disk"]
    if style.parent == "Parent":
        disks.sort(key=lambda one: (kinds.index(one[0][0]), one[0][1], one[1]))
    return _text(style, texts, len(places), random), [f"d{number}" for _controller, _place, number in disks]


def _text(style, items, count, random):
    capacities = [random.choice(CAPACITIES) for _number in range(count)]
    files = "".join(f'<File ovf:id="f{number}" ovf:href="{number}.vmdk"/>' for number in range(count))
    listed = "".join(
        f'<Disk ovf:diskId="d{number}" ovf:fileRef="f{number}" ovf:capacity="{size}" ovf:parentRef=""'
        + (f' ovf:capacityAllocationUnits="{unit}"/>' if unit else "/>")
        for number, (size, unit) in enumerate(capacities)
    )
    sections = [_section(style, "DiskSection", listed), FOREIGN]
    random.shuffle(sections)
    body = _section(style, "VirtualHardwareSection", "".join(items)) + FOREIGN
    tag, end = ("VirtualSystem", "") if style.dialect else ("Content", ' xsi:type="ovf:VirtualSystem_Type"')
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><Envelope xmlns="urn:e{style.dialect}" xmlns:ovf="urn:e{style.dialect}"'
        f' xmlns:xsi="{_XSI}" xmlns:rasd="urn:r" xmlns:sasd="urn:s" xmlns:epasd="urn:p">'
        f"<References>{files}</References>{''.join(sections)}"
        f'<{tag} ovf:id="vm"{end}><Info/><Name>sample</Name>{body}</{tag}></Envelope>'
    )


def _section(style, name, content):
    tag, end = (name, "") if style.dialect else ("Section", f' xsi:type="ovf:{name}_Type"')
    return f"<{tag}{end}><Info/>{content}</{tag}>"
