# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue of distributions: files with one distribution and its versions become one entry for each version.

Keys beside ``versions`` are the defaults of all versions. Placeholders such as ``{version}`` stand for another key of
the entry. Media have a name and a list of addresses where it may be found; their checksums are read from the vendor's
own checksum file at download, and are not part of the catalogue.
"""

from __future__ import annotations

import re
from datetime import date

INSTALLERS = ("alpine", "autoinstall", "kickstart", "openbsd", "preseed", "windows")
PLATFORMS = ("hyperv", "libvirt", "proxmox", "virtualbox", "vmd")
MEDIA_TYPES = ("cloud", "disk", "iso", "netboot")

#: {key: its types, or the keys of a mapping}; those in _REQUIRED must be given.
_ENTRY = {
    "distribution": str,
    "version": str,
    "title": str,
    "installer": INSTALLERS,
    "platforms": list,
    "enabled": bool,
    "end_of_life": date,
    "login_user": str,
    "minimum": dict,
    "recommended": dict,
    "serial_console": str,
    "start_arguments": str,
    "install_arguments": str,
    "iso_kernel": str,
    "iso_initrd": str,
    "package_mirror": str,
    "media": list,
    "codename": str,
    "point": str,
    "signing_key": str,
    "kickstart": str,
}
_REQUIRED = ("distribution", "version", "title", "installer", "platforms", "minimum", "media")
_DEFAULTS = {
    "enabled": True,
    "end_of_life": None,
    "login_user": "",
    "serial_console": "",
    "start_arguments": "",
    "install_arguments": "",
    "iso_kernel": "",
    "iso_initrd": "",
    "package_mirror": "",
    "codename": "",
}
_RESOURCES = {"memory": str, "disk": str, "cpu": str}
_MEDIUM = {
    "type": MEDIA_TYPES,
    "file": str,
    "initrd": str,
    "bases": list,
    "checksums": str,
    "signature": dict,
    "manual": str,
}
_SIGNATURE = {"tool": ("gpg", "signify"), "file": str, "signs": ("checksums", "file"), "key": str, "key_url": str}
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")
_PLACEHOLDER = re.compile(r"[{]([a-z_]+)[}]")
#: A placeholder stands for a text that may have placeholders again, at most so many times.
_NESTED = 4


class InvalidCatalogue(Exception):
    """A file of the catalogue is not as it must be; the text names the file and the key."""


def entries_of(document, source):
    """The entries of one file, whose content is ``document``; ``source`` is its path, for errors."""
    if not isinstance(document, dict) or not isinstance(document.get("versions"), list):
        raise InvalidCatalogue(f"{source}: must be a mapping with a list 'versions'.")
    shared = {key: value for key, value in document.items() if key != "versions"}
    entries = []
    for place, version in enumerate(document["versions"]):
        where = f"{source}: versions[{place}]"
        if not isinstance(version, dict):
            raise InvalidCatalogue(f"{where}: must be a mapping.")
        entries.append(_entry({**_DEFAULTS, **shared, **version}, where))
    return entries


def _entry(raw, where):
    given = {key: value for key, value in raw.items() if value is not None}
    _check(given, _ENTRY, where, _REQUIRED)
    entry = {**raw, **_filled(given, {}, where)}
    entry["name"] = f"{entry['distribution']}-{entry['version']}"
    if not _NAME.fullmatch(entry["name"]):
        raise InvalidCatalogue(f"{where}: '{entry['name']}' must be lower-case letters, digits, dots and dashes.")
    for platform in entry["platforms"]:
        if platform not in PLATFORMS:
            raise InvalidCatalogue(f"{where}.platforms: '{platform}' is unknown (known: {', '.join(PLATFORMS)}).")
    for key in ("minimum", "recommended"):
        _check(entry.get(key) or {}, _RESOURCES, f"{where}.{key}")
    entry["recommended"] = {**entry["minimum"], **(entry.get("recommended") or {})}
    for place, medium in enumerate(entry["media"]):
        _check_medium(medium, f"{where}.media[{place}]")
    return entry


def _check_medium(medium, where):
    _check(medium, _MEDIUM, where, ("type",))
    if "manual" not in medium:
        _check(medium, _MEDIUM, where, ("file", "bases", "checksums"))
    if "signature" in medium:
        _check(medium["signature"], _SIGNATURE, f"{where}.signature", ("tool", "key"))


def _check(values, schema, where, required=()):
    if not isinstance(values, dict):
        raise InvalidCatalogue(f"{where}: must be a mapping.")
    for key in required:
        if key not in values:
            raise InvalidCatalogue(f"{where}: '{key}' is missing.")
    for key, value in values.items():
        if key not in schema:
            raise InvalidCatalogue(f"{where}: unknown key '{key}' (known: {', '.join(schema)}).")
        wanted = schema[key]
        if isinstance(wanted, tuple):
            if value not in wanted:
                raise InvalidCatalogue(f"{where}.{key}: '{value}' is unknown (known: {', '.join(wanted)}).")
        elif not isinstance(value, wanted):
            hint = "; put it in quotes" if wanted is str else ""
            raise InvalidCatalogue(f"{where}.{key}: '{value}' must be a {wanted.__name__}{hint}.")


def _filled(value, words, where):
    """``value`` with its placeholders replaced by other keys; in a mapping, its own keys come first (``{file}``)."""
    if isinstance(value, dict):
        return {key: _filled(one, {**words, **_others(value, key)}, f"{where}.{key}") for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, words, where) for one in value]
    if not isinstance(value, str):
        return value
    for _again in range(_NESTED):
        value = _PLACEHOLDER.sub(lambda found: _word(found.group(1), words, where), value)
    return value


def _others(mapping, key):
    """What a placeholder of ``key`` can stand for; its own name is that of the mapping around it."""
    return {name: one for name, one in mapping.items() if name != key and isinstance(one, str)}


def _word(name, words, where):
    if not isinstance(words.get(name), str):
        raise InvalidCatalogue(f"{where}: {{{name}}} stands for no other key.")
    return words[name]


def merged(groups):
    """{name: entry} of several lists of entries; a later one replaces an earlier one of the same name."""
    return {entry["name"]: entry for entries in groups for entry in entries}


def shown(entry, today):
    """The entry as users get it."""
    end = entry["end_of_life"]
    return {
        **entry,
        "end_of_life": end.isoformat() if end else None,
        "end_of_life_reached": bool(end and end < today),
    }


def selected(entries, today, platform=None, media_type=None, hidden=False):
    """The entries in the order of their names, without those that are disabled or at the end of their life."""
    found = []
    for entry in sorted(entries.values(), key=_order):
        one = shown(entry, today)
        if not hidden and (one["end_of_life_reached"] or not one["enabled"]):
            continue
        if platform and platform not in one["platforms"]:
            continue
        if media_type and media_type not in [medium["type"] for medium in one["media"]]:
            continue
        found.append(one)
    return found


def _order(entry):
    """By distribution, then by version as numbers: 3.9 before 3.20."""
    return entry["distribution"], [int(part) for part in re.findall("[0-9]+", entry["version"])], entry["version"]
