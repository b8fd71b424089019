# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The media of an entry of the catalogue: how they are downloaded, and what an image contains (``image``).

A fact that nobody has verified is listed in ``unverified`` of its medium. An unverified ``signature`` is checked, but a
failure is only a warning, unless the task requires a signature.
"""

from __future__ import annotations

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ...module_utils._core.options.option_errors import error_messages

MEDIA_TYPES = ("box", "cloud", "disk", "iso", "netboot", "wsl")
ARCHITECTURES = ("amd64", "arm64")
FORMATS = ("box", "online", "qcow2", "raw", "vhd", "vhdx", "vmdk", "wsl")
COMPRESSIONS = ("bz2", "gz", "tar", "tar.gz", "tar.xz", "tar.zst", "xz", "zst")
#: Names of images often end so that the format is clear. Ubuntu calls its qcow2 images .img.
_ENDINGS = {**{name: name for name in FORMATS}, "img": "qcow2"}


class InvalidCatalogue(Exception):
    """A file of the catalogue is invalid; the message names the file and the key."""


def text(value):
    """Type of an option. Ansible's own type of text accepts numbers, and would read version 1.10 as 1.1."""
    if not isinstance(value, str):
        raise TypeError(f"put {value} in quotes")
    return value


def texts(*names, **more):
    """Return the options of these names, which are text."""
    return {name: {"type": text, **more} for name in names}


def _lists(*names, **more):
    return {name: {"type": "list", "elements": text, **more} for name in names}


_MEDIUM = {
    "type": {"choices": MEDIA_TYPES, "required": True},
    "architecture": {"choices": ARCHITECTURES, "default": "amd64"},
    **texts("file", "initrd", "checksums", "manual"),
    **_lists("bases"),
    **_lists("unverified", default=[]),
    "signature": {"type": "dict"},
    "image": {"type": "dict"},
}
#: What a medium needs, unless it can only be downloaded by hand.
_DOWNLOADED = [("manual", key) for key in ("file", "bases", "checksums")]
_SIGNATURE = {
    "tool": {"choices": ("gpg", "signify"), "required": True},
    **texts("key", required=True),
    **texts("file", "key_url"),
    "signs": {"choices": ("checksums", "file")},
}
_IMAGE = {
    "format": {"choices": FORMATS, "required": True},
    "compression": {"choices": COMPRESSIONS},
    "firmware": {"type": "list", "elements": "str", "choices": ("bios", "uefi")},
    "serial_console": {"type": "bool"},
    "cloud_init": {"choices": ("any", "azure", "none"), "default": "any"},
    "version_stated": {"type": "bool"},
    **texts("member", "login_user", "cpu", "virtual_size", "box", "online_name"),
    **_lists("missing_drivers", "providers"),
}
_RULES = {
    "required_if": [("format", "online", ("online_name",)), ("compression", "tar", ("member",))]
    + [("compression", one, ("member",)) for one in COMPRESSIONS if one.startswith("tar.")]
}


def expanded(media, version, where):
    """Return (position for messages, medium) of the media of this version, one for each of its ``architectures``.

    ``architectures`` is {architecture: the vendor's word for it}; ``{arch}`` in the medium is replaced by this word.
    """
    result = []
    for place, medium in enumerate(media):
        at = f"{where}.media[{place}]"
        if version not in _versions_of(medium, version, at):
            continue
        words = medium.get("architectures", {medium.get("architecture"): None})
        if not isinstance(words, dict) or ("architectures" in medium and "architecture" in medium):
            raise InvalidCatalogue(f"{at}: architectures: must be a mapping, such as {{amd64: x86_64}}.")
        rest = {key: value for key, value in medium.items() if key not in ("versions", "architectures")}
        for architecture, word in words.items():
            result.append((at, {**rest, "architecture": architecture, **({"arch": word} if word else {})}))
    return result


def _versions_of(medium, version, where):
    versions = medium.get("versions", [version])
    if not isinstance(versions, list) or not all(isinstance(one, (str, type(None))) for one in versions):
        raise InvalidCatalogue(f"{where}: versions: must be a list of versions in quotes, but is {versions}.")
    return versions


def checked_medium(raw, where, login_user):
    """Return a medium with its defaults; ``login_user`` is the first user of its images. Raises InvalidCatalogue."""
    raw = {key: value for key, value in raw.items() if key != "arch"}
    image = raw.get("image")
    is_named = isinstance(image, dict) and "file" not in raw and ("box" in image or "online_name" in image)
    medium = checked(raw, _MEDIUM, where, required_one_of=[] if is_named else _DOWNLOADED)
    if "signature" in medium:
        medium["signature"] = checked(medium["signature"], _SIGNATURE, f"{where}.signature")
    if medium["type"] in ("box", "cloud", "wsl"):
        defaults = {**_derived(medium), **({"login_user": login_user} if medium["type"] == "cloud" else {})}
        image = {**defaults, **medium.get("image", {})}
        if medium["type"] == "cloud" and medium["architecture"] == "arm64":
            image["firmware"] = ["uefi"]  # No other firmware exists for it.
        medium["image"] = checked(image, _IMAGE, f"{where}.image", **_RULES)
    unknown = [key for key in medium["unverified"] if key not in medium and key not in medium.get("image", {})]
    if unknown:
        raise InvalidCatalogue(f"{where}.unverified: {', '.join(unknown)}: no such key in this medium.")
    return medium


def _derived(medium):
    """What the name of a file says: its format, and how it is compressed."""
    if "file" not in medium:
        named = "box" if medium["type"] == "box" else "online"
        return {"format": named}
    parts = medium["file"].lower().split(".")
    packed = [part for part in parts[-2:] if part in ("xz", "gz", "zst", "bz2", "tar")]
    ending = parts[-1 - len(packed)] if len(packed) < len(parts) else ""
    derived = {"compression": ".".join(packed)} if packed else {}
    return {**derived, **({"format": _ENDINGS[ending]} if ending in _ENDINGS else {})}


def checked(raw, spec, where, **rules):
    """Return the values of ``raw`` with defaults, without those that are None. Raises InvalidCatalogue."""
    given = {str(key): value for key, value in raw.items() if value is not None}  # A key of YAML may be a number.
    result = ArgumentSpecValidator(spec, **rules).validate(given)
    problems = error_messages(result, "unknown keys")
    if problems:
        raise InvalidCatalogue(f"{where}: {'; '.join(problems)}")
    return {key: value for key, value in result.validated_parameters.items() if value is not None}
