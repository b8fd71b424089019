# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpack and convert a downloaded image by the steps of a Choice (choose.py)."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
from contextlib import contextmanager

from .._core.errors import CommandFailed, Refused
from .._ports import files, partial_files
from .._ports.clock import call_timeout
from .._ports.command import Commands, is_installed
from .._tools.qemu_img import QemuImg
from . import foreign_image

_OPEN = {"xz": lzma.open, "gz": gzip.open, "bz2": bz2.open}
_ERRORS = (EOFError, OSError, lzma.LZMAError, tarfile.TarError)
#: First bytes of compressed files, and what a tar file has at a place of its own.
_COMPRESSED, _TAR, _AT = (b"\x1f\x8b", b"\xfd7zXZ\0", b"BZh", b"\x28\xb5\x2f\xfd"), b"ustar", 257


def is_archive(content):
    """Return whether a file with these first bytes can be a tar archive, which may be compressed."""
    return content.startswith(_COMPRESSED) or content[_AT:].startswith(_TAR)


def unpackers(commands):
    """Return what can be unpacked on this host; zstd needs its program."""
    return (*_OPEN, "tar", *(("zst",) if is_installed(commands, "zstd") else ()))


def converters(commands, converter):
    return (converter,) if is_installed(commands, converter.tool) else ()


def unpack(source, chain, image_format):
    """Carry out ``chain`` on the file ``source`` with content in ``image_format``; returns the path of the result.

    ``source`` is kept: it is the lock of the download. Other inputs of steps are removed.
    """
    downloaded = source
    for step in chain:
        target = f"{source}.{step.what.replace('/', '-')}"
        files.remove(target)
        if step.verb == "convert":
            _check_names(source, image_format)
            QemuImg(Commands(call_timeout(None))).convert(source, image_format, target, step.what)
        elif step.tool == "zst":
            _run_zstd(source, target)
        else:
            with _opened(source, step) as stream:
                partial_files.write_sparse(target, stream)
        if source != downloaded:
            files.remove(source)
        source = target
    if not chain or chain[-1].verb != "convert":
        _check_names(source, image_format)
    return source


def _check_names(path, image_format):
    """Reject an image that names other files: of a compressed one, this is known only now."""
    if foreign_image.named_by(path, image_format):
        files.remove(path)
        raise foreign_image.refused(path)


def _run_zstd(source, target):
    commands = Commands(call_timeout(None))
    argv = [commands.find("zstd"), "-d", "-q", "-f", "-o", target, source]
    completed = commands.run(argv, timeout=None, writes=True)
    if completed.rc != 0:
        raise CommandFailed(argv, completed.rc, completed.stderr)


@contextmanager
def _opened(source, step):
    try:
        if step.verb == "extract":
            with tarfile.open(source) as archive:
                yield archive.extractfile(archive.getmember(step.what))
        else:
            with _OPEN[step.tool](source) as stream:
                yield stream
    except KeyError:
        raise Refused(f"{source}: the archive has no file {step.what}.", "Use another image.") from None
    except _ERRORS as error:
        raise Refused(f"{source} cannot be unpacked: {error}.", "Delete it, and run the task again.") from error
