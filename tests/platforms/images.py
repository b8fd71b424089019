# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and write the content of disk images with QEMU's tools."""

from __future__ import annotations

import hashlib
import json
import subprocess

from suite.limits import scaled

#: The number of bytes that are written and compared.
AREA = 64 * 1024


def write(path, byte, at=0):
    """Fill ``AREA`` bytes of an image from offset ``at`` with this byte; no VM may be using the image."""
    assert "64 KiB" in _io(path, f"write -P {byte} {at} {AREA}")


def holds(path, byte, at=0):
    """Whether this area is filled with this byte; a VM may be using the image."""
    return "failed" not in _io(path, f"read -P {byte} {at} {AREA}", "-r", "-U")


def _io(path, command, *how):
    """The output of one qemu-io command on an image of any format; a failed comparison raises no exception."""
    image_format = chain_info(path)[0]["format"]
    words = ["qemu-io", *how, "-f", image_format, "-c", command, path]
    done = subprocess.run(words, capture_output=True, text=True, timeout=scaled(60), check=False)
    assert "64 KiB" in done.stdout or "Pattern verification failed" in done.stdout, f"{words}: {done}"
    return done.stdout


def chain(path):
    """The files of an image and of its backing images, the image first."""
    return [image["filename"] for image in chain_info(path)]


def chain_info(path):
    words = ["qemu-img", "info", "-U", "--backing-chain", "--output=json", path]
    return json.loads(subprocess.run(words, capture_output=True, check=True).stdout)


def size(path):
    """The size in bytes of the disk that a guest sees."""
    return chain_info(path)[0]["virtual-size"]


def digest(path):
    """The checksum of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
