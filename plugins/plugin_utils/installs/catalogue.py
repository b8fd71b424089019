# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue of distributions: each file has one distribution, and becomes one entry per version.

Keys next to ``versions`` are the defaults of all versions. A placeholder such as ``{version}`` is replaced by the value
of this key of the entry. Media have a file name and a list of addresses where it may be found; their checksums are read
from the vendor's checksum file during the download, and are not part of the catalogue.
"""

from __future__ import annotations

import re
from datetime import date

INSTALLERS = ("alpine", "autoinstall", "kickstart", "openbsd", "preseed", "windows")
PLATFORMS = ("hyperv", "libvirt", "proxmox", "virtualbox", "vmd")
MEDIA_TYPES = ("cloud", "disk", "iso", "netboot")

#: {key: type of its value, or the tuple of allowed values}; keys in _REQUIRED must be set.
_ENTRY = {
    "distribution": str,
    "version": str,
    "title": str,
    "installer": INSTALLERS,
    "platforms": list,
    "enabled": bool,
    "end_of_life": date,
    "end_of_life_source": str,
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
    "btrfs": bool,
}
_REQUIRED = ("distribution", "version", "title", "installer", "platforms", "minimum", "media")
_DEFAULTS = {
    "enabled": True,
    "end_of_life": None,
    "end_of_life_source": "",
    "login_user": "",
    "serial_console": "",
    "start_arguments": "",
    "install_arguments": "",
    "iso_kernel": "",
    "iso_initrd": "",
    "package_mirror": "",
    "codename": "",
    "btrfs": True,
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
#: How often placeholders are replaced: the value of a placeholder may itself contain placeholders.
_MAX_NESTING = 4


class InvalidCatalogue(Exception):
    """A file of the catalogue is invalid; the message names the file and the key."""


def entries_of(document, source):
    """Return the entries of one file; ``document`` is its content, ``source`` its path (for messages)."""
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
    entry = {**raw, **_substituted(given, {}, where)}
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


def _substituted(value, replacements, where):
    """Return ``value`` with its placeholders replaced; in a mapping, its own keys take precedence (``{file}``)."""
    if isinstance(value, dict):
        return {
            key: _substituted(one, {**replacements, **_others(value, key)}, f"{where}.{key}")
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [_substituted(one, replacements, where) for one in value]
    if not isinstance(value, str):
        return value
    for _again in range(_MAX_NESTING):
        value = _PLACEHOLDER.sub(lambda found: _replacement(found.group(1), replacements, where), value)
    return value


def _others(mapping, key):
    """Return the strings of ``mapping`` for placeholders in ``key``; {key} itself refers to the outer mapping."""
    return {name: one for name, one in mapping.items() if name != key and isinstance(one, str)}


def _replacement(name, replacements, where):
    if not isinstance(replacements.get(name), str):
        raise InvalidCatalogue(f"{where}: {{{name}}} stands for no other key.")
    return replacements[name]


def merged(groups):
    """Return {name: entry} of several lists; a later entry replaces an earlier one with the same name."""
    return {entry["name"]: entry for entries in groups for entry in entries}


def as_result(entry, today):
    """Return the entry as the lookup plugin returns it."""
    end = entry["end_of_life"]
    return {
        **entry,
        "end_of_life": end.isoformat() if end else None,
        "end_of_life_reached": bool(end and end < today),
    }


def selected(entries, today, platform=None, media_type=None, hidden=False):
    """Return the matching entries, sorted; disabled ones and those past their end of life only if ``hidden``."""
    found = []
    for entry in sorted(entries.values(), key=_order):
        one = as_result(entry, today)
        if not hidden and (one["end_of_life_reached"] or not one["enabled"]):
            continue
        if platform and platform not in one["platforms"]:
            continue
        if media_type and media_type not in [medium["type"] for medium in one["media"]]:
            continue
        found.append(one)
    return found


def _order(entry):
    """Sort key: distribution, then the version as numbers (3.9 before 3.20)."""
    return entry["distribution"], [int(part) for part in re.findall("[0-9]+", entry["version"])], entry["version"]
