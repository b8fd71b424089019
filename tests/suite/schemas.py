# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents from a RELAX NG schema: one for each element, attribute and value that it permits.

``minimal`` takes the first alternative of each choice and nothing optional; a variant decides differently in one place.
An instance is a list of attributes (name, value), texts and elements. A definition within itself is left out.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

_RNG = "{http://relaxng.org/ns/structure/1.0}"
#: One of these matches each pattern of libvirt's schemas, except some of virtual ports.
_TEXTS = (
    *("1", "yes", "on", "0", "name", "/some/file", "vda", "52:54:00:12:34:56", "5f6b0e5e-3a1c-4c0b-9d6e-0c7a4f2b1a12"),
    *("0x1", "192.0.2.7", "2001:db8::7", "qcow2", "1024", "8", "5.1", "192.0.2.0/24", "1-2", "0x0001", "0000:00:01.0"),
    *("auto", "tcp", "00000000", "f" * 32, "01:00:00:00:00:01", "[ds] a", "KiB", "0xf", "ipv4", "naa." + "5" * 16),
    *("share_pt", "bridge", "-1", "2026-01-01T00:00:00"),
)
_NUMBER = re.compile(r"-?\d+")
_WORDS = ("string", "NCName", "dateTime")


class Schema:
    """The grammar of a file with those that it includes."""

    def __init__(self, path):
        self._defines = {}
        self._load(Path(path))

    def variants(self, name):
        """Yield the elements of a definition that differ from the minimal one by one decision."""
        for (element,) in self._of_ref(name, (), self._variants):
            yield element

    def _load(self, path):
        root = ET.parse(path).getroot()
        for include in root.iter(f"{_RNG}include"):
            self._load(path.with_name(include.get("href")))
        for define in root.iter(f"{_RNG}define"):
            parts = self._defines[define.get("name")] if define.get("combine") else []
            self._defines[define.get("name")] = [*parts, *define]

    def _of_ref(self, name, refs, read):
        return read(self._defines[name], (*refs, name)) if name not in refs else None

    # The minimal instance; None: there is none.

    def _minimal(self, patterns, refs):
        found = [self._minimal_of(pattern, refs) for pattern in patterns]
        return None if None in found else [part for instance in found for part in instance]

    def _minimal_of(self, pattern, refs):
        kind = pattern.tag.removeprefix(_RNG)
        if kind in ("optional", "zeroOrMore", "empty"):
            return []
        if kind == "choice":
            return next((one for one in (self._minimal_of(part, refs) for part in pattern) if one is not None), None)
        if kind == "ref":
            return self._of_ref(pattern.get("name"), refs, self._minimal)
        if kind in ("value", "data", "text", "notAllowed"):
            return _texts(kind, pattern)
        inner = self._minimal(pattern, refs)
        return inner if inner is None else _built(pattern, inner)

    # Variants.

    def _variants(self, patterns, refs):
        minimal = [self._minimal_of(pattern, refs) for pattern in patterns]
        for place, pattern in enumerate(patterns):
            before, after = minimal[:place], minimal[place + 1 :]
            if None not in (*before, *after):
                for variant in self._variants_of(pattern, refs):
                    yield [part for instance in (*before, variant, *after) for part in instance]

    def _variants_of(self, pattern, refs):
        kind = pattern.tag.removeprefix(_RNG)
        if kind == "ref":
            yield from self._of_ref(pattern.get("name"), refs, self._variants) or ()
        elif kind == "choice":
            yield from (one for one in (self._minimal_of(part, refs) for part in pattern) if one is not None)
            for part in pattern:
                yield from self._variants_of(part, refs)
        else:
            if kind in ("optional", "zeroOrMore"):
                yield from filter(None, [self._minimal(pattern, refs)])
            for inner in self._variants(pattern, refs):
                yield _built(pattern, inner)


def _texts(kind, pattern):
    if kind in ("value", "text"):
        return [pattern.text or "text"] if kind == "value" else ["text"]
    patterns = [one.text for one in pattern if one.get("name") == "pattern"]
    is_word = pattern.get("type") in _WORDS
    texts = [one for one in _TEXTS if is_word or _NUMBER.fullmatch(one)]
    return next(([one] for one in texts if all(re.fullmatch(two, one) for two in patterns)), None)


def _built(pattern, inner):
    """The instance of a pattern around ``inner``; of names that may be any, one."""
    kind, name = pattern.tag.removeprefix(_RNG), pattern.get("name", "any")
    if kind == "attribute":
        return [(name, "".join(one for one in inner if isinstance(one, str)))]
    if kind != "element":
        return inner
    element = ET.Element(f"{{{pattern.get('ns')}}}{name}" if pattern.get("ns") else name)
    for part in inner:
        if isinstance(part, str):
            element.text = (element.text or "") + part
        elif isinstance(part, tuple):
            element.set(*part)
        else:
            element.append(part)
    return [element]


def paths(element, above=""):
    """Yield the path of each element, attribute and text, with their values."""
    own = f"{above}/{element.tag}"
    yield own
    yield from (f"{own}@{name}={value}" for name, value in element.attrib.items())
    if (element.text or "").strip():
        yield f"{own}={element.text}"
    for child in element:
        yield from paths(child, own)
