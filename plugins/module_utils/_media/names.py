# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PURE: the media that a name of the catalogue or an address is, and names of images that a platform downloads."""

from __future__ import annotations

from urllib.parse import unquote

from .._core.errors import InvalidInput
from .._core.frozen import replace
from .choose import WSL

#: Of an address: what ends a path, and the format that it has.
ARCHIVES = {".wsl": "wsl", ".tar": "tar", ".tar.gz": "tar.gz", ".tar.xz": "tar.xz"}
_ENDINGS = {
    ".qcow2": "qcow2", ".img": "qcow2", ".raw": "raw", ".vmdk": "vmdk", ".vdi": "vdi", ".vhd": "vhd",
    ".vhdx": "vhdx", ".vhdfixed": "vhd",
}  # fmt: skip
#: The architecture of images with a name that does not tell it, and those that names of stored files tell.
_USUAL, _MARKED = "amd64", ("arm64",)
_COMPRESSIONS = ("xz", "gz", "zst", "bz2")


def created_from(request, source, **more):
    """Return the request with ``source``, from which the platform creates the VM; the name remains the task's."""
    asked = request.creation["image"]
    warnings = (asked.get("catalogue") or {}).get("warnings", ())
    more = {"name": asked["source"], "fetch": None, "warnings": warnings, **more}
    return with_image(request, {**asked, "source": source, **more})


def with_image(request, image):
    """Return the request with these suboptions of its image."""
    return replace(request, creation={**request.creation, "image": image})


def media_of(asked):
    """The media of a name, from the user's mirrors."""
    catalogue = asked["catalogue"]
    return [_mirrored(one, catalogue.get("mirrors") or {}) for one in catalogue["media"]]


def _mirrored(medium, mirrors):
    """Return the medium with its addresses replaced: the longest prefix that fits counts."""
    if not medium.get("bases"):
        return medium
    signature = medium.get("signature")
    if signature and signature.get("key_url"):
        signature = {**signature, "key_url": _replaced(signature["key_url"], mirrors)}
    return {**medium, "bases": [_replaced(base, mirrors) for base in medium["bases"]], "signature": signature}


def _replaced(address, mirrors):
    prefix = max((one for one in mirrors if address.startswith(one)), key=len, default="")
    return mirrors[prefix] + address[len(prefix) :] if prefix else address


# Addresses ------------------------------------------------------------------------------------------------------------


def medium_of_address(asked, needs, about):
    """Return the medium that an address is, in the form of the catalogue."""
    base, file = parts_of(asked["source"])
    image = _archive_named(file, about) if needs.kind == WSL else _disk_named(file, about)
    return {
        "type": needs.kind,
        "architecture": needs.architecture,
        "bases": [base],
        "file": file,
        "address": asked["source"],
        "image": image,
    }


def _archive_named(file, about):
    """Return the content of an archive for WSL by the name of its file."""
    found = next((one for ending, one in ARCHIVES.items() if file.lower().endswith(ending)), None)
    if found is None:
        raise _unclear(about, ", ".join(ARCHIVES))
    return {"format": found}


def _disk_named(file, about):
    """Return the content of a disk image by the name of its file."""
    name, compression = file.lower(), None
    if name.rpartition(".")[2] in _COMPRESSIONS:
        name, _dot, compression = name.rpartition(".")
    image_format = next((one for ending, one in _ENDINGS.items() if name.endswith(ending)), None)
    if image_format is None or name.endswith(".tar"):
        raise _unclear(about, f"{', '.join(_ENDINGS)}, optionally followed by {', '.join(_COMPRESSIONS)}")
    # Nobody knows whether it has a serial console, so that does not rule it out.
    return {"format": image_format, "serial_console": True, **({"compression": compression} if compression else {})}


def _unclear(about, endings):
    return InvalidInput(
        f"{about}: the name of the file does not tell its format.", f"Use an address that ends in {endings}."
    )


def base_of(name):
    """The name of a stored file: that of the catalogue, or of the vendor's file."""
    return name.rpartition("/")[2].partition(".")[0] if "://" in name else name


def base_of_stored(stored):
    """The same for an image that is stored. The name of a vendor's file contains its architecture; others get it."""
    base = base_of(stored.name)
    return base if stored.architecture == _USUAL or "://" in stored.name else f"{base}.{stored.architecture}"


def name_and_architecture(base):
    """What ``base_of_stored`` was made from, as far as it shows that."""
    name, _dot, ending = base.rpartition(".")
    return (name, ending) if ending in _MARKED else (base, _USUAL)


def parts_of(address):
    """Return (address of the directory, name of the file) of the address of a file."""
    base, _slash, file = address.partition("?")[0].rpartition("/")
    return base, unquote(file)
