# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue of distributions: each file has one distribution, and becomes one entry per version.

Keys next to ``versions`` are the defaults of all versions. A rolling release has no versions, and is one entry. A
placeholder such as ``{version}`` is replaced by the value of this key of the entry. Media have a file name and a list
of addresses where it may be found; their checksums are read from the vendor's checksum file during the download, and
are not part of the catalogue. What an image contains is in ``image`` (catalogue_media.py).
"""

from __future__ import annotations

import re
from datetime import date

from . import image_needs
from .catalogue_media import ARCHITECTURES, InvalidCatalogue, checked, checked_medium, expanded, text, texts

INSTALLERS = ("alpine", "autoinstall", "kickstart", "openbsd", "preseed", "windows")
PLATFORMS = ("hyperv", "libvirt", "proxmox", "vagrant", "virtualbox", "vmd", "wsl")


def day(value):
    """Type of an option: a date of YAML."""
    if not isinstance(value, date):
        raise TypeError(f"write {value} as 2030-06-30, without quotes")
    return value


#: The options of an entry, and of what a VM needs.
_ENTRY = {
    **texts("distribution", "title", required=True),
    "installer": {"choices": INSTALLERS},
    "platforms": {"type": "list", "elements": "str", "choices": PLATFORMS},
    "minimum": {"type": "dict"},
    "recommended": {"type": "dict", "default": {}},
    "media": {"type": "list", "elements": "dict", "required": True},
    "enabled": {"type": "bool", "default": True},
    "btrfs": {"type": "bool", "default": True},
    "end_of_life": {"type": day},
    "unverified": {"type": "list", "elements": text, "default": []},
    **texts("end_of_life_source", "login_user", "codename", "package_mirror", "serial_console", default=""),
    **texts("start_arguments", "install_arguments", "iso_kernel", "iso_initrd", default=""),
    # What differs for this architecture.
    "arm64": {"type": "dict", "default": {}},
    # level: the CPU level that the release needs, for media.
    **texts("version", "point", "signing_key", "kickstart", "level"),
}
_OF_ARCHITECTURE = texts("package_mirror", "serial_console")
_RESOURCES = texts("memory", "disk", "cpu")
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")
_PLACEHOLDER = re.compile(r"[{]([a-z_]+)[}]")
#: How often placeholders are replaced: the value of a placeholder may itself contain placeholders.
_MAX_NESTING = 4
_AMOUNTS = ("minimum", "recommended")


def entries_of(document, source):
    """Return the entries of one file; ``document`` is its content, ``source`` its path (for messages)."""
    if not isinstance(document, dict) or not isinstance(document.get("versions", []), list):
        raise InvalidCatalogue(f"{source}: must be a mapping, with a list 'versions' unless it is a rolling release.")
    if "versions" not in document:
        return [_entry(document, str(source))]
    shared = {key: value for key, value in document.items() if key != "versions"}
    entries = []
    for place, version in enumerate(document["versions"]):
        where = f"{source}: versions[{place}]"
        if not isinstance(version, dict):
            raise InvalidCatalogue(f"{where}: must be a mapping.")
        if version.get("version") is None:
            raise InvalidCatalogue(f"{where}: missing required arguments: version")
        entries.append(_entry({**shared, **version}, where))
    return entries


def _entry(raw, where):
    entry = checked(raw, _ENTRY, where, required_by={"installer": ("minimum",)})
    media = expanded(entry.pop("media"), entry.get("version"), where)
    outer = _others(entry, None)
    entry = _substituted(entry, {}, where)
    entry["name"] = "-".join(filter(None, (entry["distribution"], entry.setdefault("version", ""))))
    if not _NAME.fullmatch(entry["name"]):
        raise InvalidCatalogue(f"{where}: '{entry['name']}' must be lower-case letters, digits, dots and dashes.")
    minimum, recommended = (checked(entry.get(key, {}), _RESOURCES, f"{where}.{key}") for key in _AMOUNTS)
    media = [checked_medium(_substituted(one, outer, at), at, entry["login_user"]) for at, one in media]
    entry["arm64"] = checked(entry["arm64"], _OF_ARCHITECTURE, f"{where}.arm64")
    _check_unverified(entry, where)
    entry = {**entry, "minimum": minimum, "recommended": {**minimum, **recommended}, "media": media}
    return {**entry, "platforms": entry.get("platforms") or image_needs.platforms_of(media)}


def _check_unverified(entry, where):
    unknown = [key for key in entry["unverified"] if key not in entry]
    if unknown:
        raise InvalidCatalogue(f"{where}.unverified: {', '.join(unknown)}: no such key in this entry.")


def _substituted(value, replacements, where):
    """Return ``value`` with its placeholders replaced; in a mapping, its own keys take precedence (``{file}``)."""
    if isinstance(value, dict):
        return {
            key: _substituted(one, {**replacements, **_others(value, key)}, f"{where}.{key}")
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [_substituted(one, replacements, f"{where}[{place}]") for place, one in enumerate(value)]
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
    end = entry.get("end_of_life")
    return {
        "installer": None,
        "architecture": None,
        **entry,
        "end_of_life": end.isoformat() if end else None,
        "end_of_life_reached": bool(end and end < today),
    }


def media_for(entry, platform):
    """Return the media that a platform may choose from: none with an image if the entry leaves this platform out."""
    is_left_out = platform not in entry["platforms"] and platform in image_needs.platforms_of(entry["media"])
    return [medium for medium in entry["media"] if not (is_left_out and "image" in medium)]


def of_architecture(entry, architecture):
    """Return the entry as it is for one architecture: its media, and the values that differ."""
    media = [medium for medium in entry["media"] if medium["architecture"] == architecture]
    usable = image_needs.platforms_of(media)
    # The CPU levels are those of amd64.
    amounts = {key: {what: one for what, one in entry[key].items() if what != "cpu"} for key in _AMOUNTS}
    changed = {} if architecture == ARCHITECTURES[0] else {**entry[architecture], **amounts}
    platforms = [one for one in entry["platforms"] if one in usable]
    return {**entry, **changed, "architecture": architecture, "media": media, "platforms": platforms}


def selected(entries, today, platform=None, media_type=None, hidden=False, architecture=None):
    """Return the matching entries, sorted; disabled ones and those past their end of life only if ``hidden``.

    With ``architecture``, an entry that has no media of it is returned without media if it is ``hidden``.
    """
    found = []
    for entry in sorted(entries.values(), key=_order):
        one = as_result(of_architecture(entry, architecture) if architecture else entry, today)
        if architecture and not one["media"] and not hidden:
            continue
        if not hidden and (one["end_of_life_reached"] or not one["enabled"]):
            continue
        if platform and platform not in one["platforms"]:
            continue
        if media_type and media_type not in [medium["type"] for medium in one["media"]]:
            continue
        found.append(one)
    return found


def _order(entry):
    """Sort key: distribution, then the version as numbers (3.9 before 3.20); a rolling release has none."""
    return entry["distribution"], [int(part) for part in re.findall("[0-9]+", entry["version"])], entry["version"]
