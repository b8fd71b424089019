# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PURE: the XML of an OVF descriptor, read by local names, because its three dialects differ in their namespaces.

The text may be hostile: a document type is rejected, and with it every entity. Sources: DSP0243 (OVF 1.1 and 2.1), and
descriptors that VirtualBox 7.2 and VMware wrote.
"""

from __future__ import annotations

import math
from xml.etree import ElementTree

from ..._core.errors import Refused
from ..._core.pattern import Pattern

#: Descriptors of vendors have at most some hundred KiB.
LARGEST_TEXT = 4 * 1024 * 1024
_LARGEST_AMOUNT = 2**50
_DIGITS = Pattern(r"[0-9]{1,18}")
#: A unit is a word, such as byte, MiB or MegaBytes, which can have factors, such as byte * 2^20 (DSP0004).
_FACTOR, _MOST_FACTORS = Pattern(r"([0-9]{1,10})(?:\^([0-9]{1,2}))?"), 4
_WORD = Pattern(r"([kmgt]?)(?:ilo|ega|iga|era)?i?b(?:ytes?)?")
_PREFIXES = ("", "k", "m", "g", "t")
#: Elements in which a required child counts. One in any other element belongs to that element.
_PARTS = frozenset({"Envelope", "VirtualSystem", "VirtualSystemCollection", "VirtualHardwareSection"})
#: Elements that may be marked as required, because they are read here, or concern nothing that a VM needs.
_KNOWN = frozenset({
    "References", "DiskSection", "NetworkSection", "VirtualSystem", "VirtualSystemCollection", "VirtualHardwareSection",
    "AnnotationSection", "ProductSection", "EulaSection", "OperatingSystemSection", "DeploymentOptionSection",
    "StartupSection", "InstallSection", "Strings", "Item", "StorageItem", "EthernetPortItem", "Config", "ExtraConfig",
    "ResourceAllocationSection", "BootOrderSection",
})  # fmt: skip


class Damaged(Refused):
    """A descriptor that cannot be used, whatever the task sets. The message is the end of a sentence."""


def parse(content):
    """Return the root element of an OVF descriptor; raises Damaged."""
    root = document(content)
    if local(root.tag) != "Envelope":
        raise Damaged("is not an OVF descriptor")
    _check_required(root)
    return root


def document(content):
    """Return the root element of a text in XML; raises Damaged."""
    if not content.strip():
        raise Damaged("is empty")
    if len(content) > LARGEST_TEXT:
        raise Damaged("is larger than any descriptor")
    try:
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise Damaged("is not UTF-8") from error
    if "\0" in text:  # The parser itself would detect UTF-16 by these, where the next check finds nothing.
        raise Damaged("is not UTF-8")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise Damaged("has a document type, which is not read because it could name other files")
    try:
        return ElementTree.fromstring(text)  # Without a document type there are no entities.
    except (ElementTree.ParseError, ValueError) as error:
        raise Damaged(f"is not XML: {error}") from error


def _check_required(root):
    for one in (child for part in root.iter() if kind(part) in _PARTS for child in part):
        if is_true(one, "required") and kind(one) not in _KNOWN:
            raise Damaged(f"requires {kind(one)}, which this collection cannot carry out")


def local(name):
    """Return a name without its namespace."""
    return name.rpartition("}")[2] if isinstance(name, str) else ""


def kind(element):
    """Return what an element is: its local name; in OVF 0.9, the type of a Section or of the Content."""
    name = local(element.tag)
    if name not in ("Section", "Content"):
        return name
    return (attribute(element, "type") or name).rpartition(":")[2].replace("_Type", "")


def attribute(element, name):
    values = element.attrib.items() if element is not None else ()
    return next((value for key, value in values if local(key) == name), None)


def is_true(element, name):
    """Return whether an attribute is set; a boolean of XML is true or 1."""
    return (attribute(element, name) or "").strip().lower() in ("true", "1")


def children(element, *kinds):
    return [one for one in element if kind(one) in kinds] if element is not None else []


def below(element, name):
    """Return all elements with this local name at any depth."""
    return [one for one in element.iter() if local(one.tag) == name] if element is not None else []


def text_of(element, name):
    """Return the text of the first child with this local name; empty if there is none."""
    return next(((one.text or "").strip() for one in element if local(one.tag) == name), "")


def whole(text):
    """Return the number in a text; None if it has none."""
    return int(text) if _DIGITS.fullmatch(text or "") else None


def number(text, about):
    found = whole(text)
    if found is None:
        raise Damaged(f"has no number for {about}: '{(text or '')[:40]}'")
    return found


def amount(text, unit, default, about):
    """Return a number of bytes, such as 0.5 GigaBytes; ``default``: the bytes of a missing unit."""
    digits, _point, tenths = (text or "").partition(".")
    size = number(digits + tenths, about) * _bytes_of(unit, default, about) // 10 ** len(tenths)
    if not 0 < size <= _LARGEST_AMOUNT:
        raise Damaged(f"has {text} {unit or ''} for {about}, which is out of range".replace("  ", " "))
    return size


def _bytes_of(unit, default, about):
    name, *factors = "".join((unit or "").lower().split()).split("*")
    if not name:
        return default
    word, powers = _WORD.fullmatch(name), [_FACTOR.fullmatch(one) for one in factors[:_MOST_FACTORS]]
    if not word or None in powers or len(factors) > _MOST_FACTORS:
        raise Damaged(f"has an unknown unit for {about}: '{unit[:40]}'")
    return 1024 ** _PREFIXES.index(word[1]) * math.prod(int(one[1]) ** int(one[2] or 1) for one in powers)
