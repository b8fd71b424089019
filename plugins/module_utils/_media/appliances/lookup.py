# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The request for a VM that is created from an appliance, with what its descriptor says. Only reads, in check mode too.

Everything is checked here, before anything is written: the manifest, and each disk, whose header must not name other
files.
"""

from __future__ import annotations

import os

from ..._core.backup.manifest import NAME as MANIFEST
from ..._core.errors import NotFound, Refused
from ..._core.frozen import replace
from ..._core.texts import without_secrets
from ..._core.units import MIB
from ..._ports import files
from .. import disk_header, foreign_image
from .address import DOWNLOAD, Source, located
from .container import Container, check_manifest, digest_of
from .defaults import check_license, environment, placed_disks, placed_nics, settings_of
from .disk import version_of
from .envelope import Damaged
from .parts import GZIP, Packed, Part

#: Formats that are read out of an archive. A raw disk has no signature, so anything could be one.
_FORMATS = ("vmdk", "qcow2", "vdi", "vhd")
_BEGINNING, _SECTOR = 64 * 1024, 512
_LARGEST_DISK = 2**46


def resolved(request, words, images):
    """Return the request with the settings and disks of its appliance. Raises PolyvirtError.

    ``images`` (Images) are those of this host, to which an appliance is downloaded.
    """
    asked, option = request.creation["appliance"], f"{request.label}: appliance"
    try:
        return _Appliance(request, asked, option, words, _source(request, asked, images, option)).resolved()
    except Damaged as error:
        remedy = error.remedy or "Export it again, or use another file."
        raise Refused(f"{option}: {without_secrets(asked['source'])} {error.message}.", remedy) from error


def _source(request, asked, images, option):
    path = asked["source"]
    if "://" in path:
        return located(asked, images, option, request.policy.timeout)
    manifest = os.path.join(path, MANIFEST)
    path = manifest if files.is_file(manifest) else path
    if files.is_folder(path):
        raise Refused(
            f"{option}: {path} is a directory.",
            "Set the path of the .ova or .ovf file in it, or the directory of one backup of libvirt (UUID/ID).",
        )
    if not files.is_file(path):
        raise NotFound(f"{option}: {path} does not exist on the host.", "Copy the appliance there first.")
    if not files.is_readable(path):
        raise Refused(f"{option}: {path} is not readable.", "Run the task with become, or make it readable.")
    folder = os.path.dirname(os.path.abspath(path))
    # A backup is copied with the directory of its VM.
    copied = os.path.dirname(folder) if os.path.basename(path) == MANIFEST else None
    foreign_image.check_directory(f"{option}.source", folder, asked, copied)
    algorithm, _colon, digits = (asked.get("checksum") or "").partition(":")
    if algorithm and digest_of(Part(path, 0, files.size(path)), algorithm) != digits.lower():
        raise Refused(f"{option}.checksum: {path} has another checksum.", "Get the file again.")
    return Source(path)


def _container(source):
    if os.path.basename(source.path) != MANIFEST:
        return Container(source.path, source.remote)
    # Few appliances are backups.
    from .backup import BackupContainer

    return BackupContainer(source.path)


class _Appliance:
    def __init__(self, request, asked, option, words, source):
        self.request, self.asked, self.option, self.words, self.source = request, asked, option, words, source
        self.warnings = []
        self.container = _container(source)
        if source.version and not self.container.is_archive:
            raise Damaged("is not an uncompressed archive (OVA), so it cannot be read at its address", DOWNLOAD)
        self.system = self.container.system(asked)

    def resolved(self):
        check_license(self.system, self.asked.get("accept_eula"), self.option)
        config, lost = settings_of(self.system, self.words, self.request.config)
        config = {**config, **self.request.config}
        slots, images = self._disks(config["firmware"])
        mapped, keeps_macs = self.asked.get("networks") or {}, self.asked.get("keep_macs")
        if "networks" not in self.request.config:
            config["networks"] = placed_nics(self.system, mapped, self.words, self.option, keeps_macs)
        elif mapped or keeps_macs:
            raise Refused(
                f"{self.option}.{'networks' if mapped else 'keep_macs'}: it cannot be set together with networks, which"
                " replaces all NICs of the appliance.",
                "Set only one of them.",
            )
        seed, more = self._seed()
        found = {"slots": slots, "disks": images, "not_carried": [*lost, *more], "warnings": self.warnings}
        if self.container.digest:
            found["checksum"] = self.container.digest
        if self.source.fetch:
            found["fetch"] = self.source.fetch_of(self.source.remote.size)
        appliance = {**{name: value for name, value in self.asked.items() if name != "properties"}, **found}
        return replace(self.request, config=config, creation={**self.request.creation, **seed, "appliance": appliance})

    def _seed(self):
        values, lost = environment(self.system, self.asked.get("properties") or {}, self.option)
        if values is None:
            return {}, lost
        # On some platforms, it is a setting that is compared later.
        if (self.request.creation.get("cloud_init") or self.request.config.get("cloud_init")) is None:
            return {"cloud_init": {"ovf_env": values}}, lost
        if self.asked.get("properties"):
            raise Refused(
                f"{self.request.label}: cloud_init: it cannot be set together with appliance.properties, because both"
                " need the ISO image of the VM.",
                "Set only one of them.",
            )
        return {}, [*lost, "properties (cloud_init is set)"]

    def _disks(self, firmware):
        """Return ({slot: entry}, {slot: image}) of all disks; an empty one has no image."""
        placed = placed_disks(self.system, self.asked.get("boot_disk"), firmware, self.words, self.option)
        if not placed:
            raise Damaged("has no disks")
        parts = {slot: self._parts(disk) for slot, disk in placed.items() if disk.file}
        # Before their content is verified: a later change is noticed.
        about = {slot: self._version(pieces.values()) for slot, pieces in parts.items()}
        self._verify({name: part for pieces in parts.values() for name, part in pieces.items()})
        images = {slot: self._image(placed[slot], list(parts[slot].values()), about[slot]) for slot in parts}
        # A disk may be larger than its file. Not every platform has disks of any number of bytes.
        grown = [slot for slot, disk in placed.items() if (disk.capacity or 0) > images.get(slot, {"size": 0})["size"]]
        return {at: {"size": -(-placed[at].capacity // MIB) * MIB} if at in grown else {} for at in placed}, images

    def _version(self, parts):
        return self.source.version or version_of(part.path for part in parts)

    def _verify(self, parts):
        if self.source.version:
            # The checksum of the whole file, which its download proves.
            return
        unverified = check_manifest(self.container, parts)
        is_archive = self.container.is_archive
        if not unverified or (is_archive and self.asked.get("checksum")):
            return
        remedy = "Set its checksum." if is_archive else "Get it with a manifest (.mf) that lists all files."
        has_none = self.container.manifest() is None
        lacks = "it has no manifest" if has_none else f"its manifest does not list {', '.join(unverified)[:500]}"
        what = "nothing was verified" if has_none else "this was not verified"
        self.warnings.append(f"{self.option}: {lacks}, so {what}. {remedy}")

    def _parts(self, disk):
        parts = self.container.pieces(disk.file)
        if not parts:
            piece = f"{disk.file.href}.{0:09}"
            found = f", but {piece}, and its descriptor has no chunkSize for it" if self.container.part(piece) else ""
            raise Damaged(f"does not contain the disk {disk.file.href}{found}")
        if disk.file.compression not in ("", GZIP):
            raise Damaged(f"contains {disk.file.href} compressed with {disk.file.compression}, which is not supported")
        return parts

    def _image(self, disk, parts, version):
        """Return how the disk is read, after its header was checked."""
        is_packed = len(parts) > 1 or disk.file.compression
        is_within = isinstance(parts[0], Packed)
        if is_packed and is_within:
            raise Damaged(
                f"contains {disk.file.href} compressed twice or in pieces",
                "Unpack it (tar -xzf), and set the path of the .ovf file in it.",
            )
        part = Packed(parts, disk.file.compression) if is_packed else parts[0]
        is_packed = is_packed or is_within
        if is_packed and self.source.remote:
            raise Damaged(f"contains {disk.file.href} compressed or in pieces; it must be downloaded first", DOWNLOAD)
        begin = part.read(0, _BEGINNING)
        end = begin[:_SECTOR] if is_packed else part.read(max(part.size - _SECTOR, 0), _SECTOR)
        image_format = disk_header.format_in(begin) or ("vhd" if end.startswith(b"conectix") else None)
        if image_format not in _FORMATS:
            raise Damaged(f"contains {disk.file.href}, which is no disk in a supported format ({', '.join(_FORMATS)})")
        if foreign_image.named_in(begin, image_format, end):
            raise Damaged(f"contains {disk.file.href}, which names another file that would be read with it")
        size = disk_header.size_of_vhd(end) if image_format == "vhd" else disk_header.capacity_in(begin, image_format)
        if not size or size > _LARGEST_DISK:
            raise Damaged(f"contains {disk.file.href}, which has no valid size")
        found = {"source": parts[0].path, "format": image_format, "size": size, "digest": version}
        if self.source.version:
            found["fetch"] = self.source.fetch_of(part.size)
        if not is_packed:
            return {**found, "part": parts[0].of_archive}
        return {**found, "part": None, "packed": part.as_data, "unpacked": part.size_up_to(size)}
