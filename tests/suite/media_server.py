# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server with images in the layout of a vendor, for tasks that name an image."""

from __future__ import annotations

import hashlib
import json
import lzma
import subprocess
from datetime import date
from pathlib import Path
from typing import ClassVar

import yaml
from ansible_collections.polyvirt.core.plugins.plugin_utils.installs.catalogue_files import CatalogueFiles, knowledge_of
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.image_names import with_catalogue

from platforms.images import chain_info, write
from suite.limits import scaled
from unit.module_utils._media.server import Server

#: Addresses of vendors that the server replaces.
_VENDOR = "https://cloud.debian.org"
#: Images of the catalogue that the server can have, as their vendor has them: (directory, file, list of checksums).
_OF_CATALOGUE = {
    f"debian-{version}": (f"/images/cloud/{codename}/latest", f"debian-{version}-generic-amd64.qcow2", "SHA512SUMS")
    for version, codename in (("12", "bookworm"), ("13", "trixie"))
}


class Vendor:
    """One image with its list of checksums, and its own catalogue entry unless it is one of the real catalogue."""

    file, name = "tests-1-generic-amd64.qcow2", "tests-1"
    medium: ClassVar = {
        "type": "cloud",
        "image": {"format": "qcow2", "firmware": ["bios", "uefi"], "serial_console": True},
    }

    def __init__(self):
        self.server = Server()
        self.content = b""

    def close(self):
        self.server.close()

    @property
    def digest(self):
        return hashlib.sha256(self.content).hexdigest()

    def publish(self, content):
        """Publish an image, or replace it by a newer one under the same name."""
        self.content = content
        self._publish("/latest", self.file, "SHA256SUMS", content)

    def _publish(self, folder, file, sums, content):
        digits = hashlib.new(sums[:-4].lower(), content).hexdigest()
        self.server.files[f"{folder}/{sums}"] = f"{digits}  {file}\n".encode()
        self.server.files[f"{folder}/{file}"] = content

    def downloads(self):
        """How often the image was requested, except for its first bytes."""
        return len([one for one in self.server.fetched(f"/latest/{self.file}") if one != "bytes=0-4095"])

    def image(self, **more):
        """The option ``image`` of a task, as the action plugin completes it."""
        medium = {
            **self.medium,
            "architecture": "amd64",
            "file": self.file,
            "bases": [f"{self.server.url}/latest"],
            "checksums": "SHA256SUMS",
        }
        return {"source": self.name, "catalogue": {"media": [medium]}, **more}

    def compressed(self):
        """Publish the image compressed, and return the option ``image`` for it."""
        image, file = self.image(), f"{self.file}.xz"
        self._publish("/latest", file, "SHA256SUMS", lzma.compress(self.content))
        (medium,) = image["catalogue"]["media"]
        packed = {**medium, "file": file, "image": {**medium["image"], "compression": "xz"}}
        return {**image, "catalogue": {"media": [packed]}}

    def write_catalogue(self, folder, address):
        """Write a directory for the variable polyvirt_catalogue_directories with this image."""
        folder.mkdir()
        medium = {**self.image()["catalogue"]["media"][0], "bases": [address]}
        entry = {"distribution": "tests", "title": "Tests", "versions": [{"version": "1"}], "media": [medium]}
        (folder / "tests.yml").write_text(json.dumps(entry), encoding="utf-8")

    def publish_as(self, name, content=None, architecture="amd64"):
        """Publish this image, or another one, as one of the real catalogue."""
        folder, file, sums = _OF_CATALOGUE[name]
        self._publish(folder, file.replace("amd64", architecture), sums, content or self.content)

    @property
    def mirrors(self):
        """The variable polyvirt_mirrors with which tasks use this server."""
        return {_VENDOR: self.server.url}

    def completed(self, options):
        """The options of a task as the action plugin completes them, with this server as the mirror of vendors."""
        files = CatalogueFiles(lambda path: yaml.safe_load(Path(path).read_text(encoding="utf-8")))
        return with_catalogue(options, lambda name: knowledge_of(name, files, date.today(), self.mirrors))


class ArchiveVendor(Vendor):
    """One archive for WSL."""

    file = "tests-1-amd64.wsl"
    medium: ClassVar = {"type": "wsl", "image": {"format": "wsl"}}


def vendor_of(platform, names, folder):
    """A Vendor with a small image of the platform, which has these names of the catalogue."""
    if platform.published_archive() is not None:
        vendor = ArchiveVendor()
        vendor.publish(platform.published_archive())
        return vendor
    vendor = Vendor()
    if names and platform.published_image() is not None:
        vendor.publish(as_published(platform.published_image(), Path(folder) / "published.qcow2"))
        for name in names:
            vendor.publish_as(name)
    return vendor


def as_published(source, path, byte=7):
    """The content of an image as vendors publish it: qcow2 with data in compressed clusters.

    ``byte`` is what the disk begins with.
    """
    filled = path.with_suffix(".filled")
    _convert(source, chain_info(source)[0]["format"], filled)
    write(str(filled), byte)
    _convert(str(filled), "qcow2", path, "-c")
    return path.read_bytes()


def _convert(source, image_format, path, *more):
    words = ["qemu-img", "convert", *more, "-f", image_format, "-O", "qcow2", source, str(path)]
    subprocess.run(words, check=True, timeout=scaled(60))
