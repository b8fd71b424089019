# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ISO images, templates and images to import: uploads and downloads."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from urllib.parse import unquote, urlsplit

from . import web
from .errors import ApiError, ParameterError
from .storage import Volume

_ENDINGS = {
    "iso": r"(?i:\.(?:iso|img))", "vztmpl": r"(?i:\.tar\.(?:gz|xz|zst|bz2))", "import": r"\.(?:ova|qcow2|raw|vmdk)",
}  # fmt: skip
#: The version that takes disk images for the content import; before, it took only OVA files, and only by upload.
_IMAGES_SINCE = (8, 4)
#: How files of a format begin; others are not verified.
_MAGIC = {"qcow2": b"QFI\xfb", "vmdk": b"KDMV"}


def upload(call):
    file = call.world.uploads.pop(call.get("tmpfilename"), None)
    if file is None:
        # The text is ASSUMED.
        raise ApiError("missing file: the part 'filename' must be the last one", 400)
    storage, name = _target(call)
    path, temporary = storage.path_of(f"{call.get('content')}/{name}"), call.get("tmpfilename")

    def work(task):
        task.say(f"starting file import from: {temporary}")
        _check_sum(call, task, file)
        _verify(name, file, temporary)
        for line in (f"target node: {call.node}", f"target file: {path}", f"file size is: {file.size}"):
            task.say(line)
        task.say(f"command: cp -- {temporary} {path}")
        # The storage lists the file while it is copied, and keeps what was copied if that fails.
        _begin(call, storage, name)
        yield call.world.timing.upload
        _keep(call, storage, name, file)
        task.say("finished file import successfully")

    return call.task("imgcopy", work, "")


def download(call):
    storage, name = _target(call)
    if call.get("content") == "import" and call.world.schema.version < _IMAGES_SINCE:
        # That the content is missing in the list of values is ASSUMED.
        raise ParameterError(content="value 'import' does not have a value in the enumeration 'iso, vztmpl'")
    path, url = storage.path_of(f"{call.get('content')}/{name}"), call.get("url")

    def work(task):
        task.say(f"downloading {url} to {path}")
        if _is_there(call, task, storage.get(call.node, f"{call.get('content')}/{name}"), path):
            return
        yield call.world.timing.upload
        file, temporary = _fetched(call), f"{path}.tmp_dwnl.{task.pid}"
        _check_sum(call, task, file)
        _unpack(call, task, file, path, temporary)
        _verify(name, file, temporary, "failed to verify file: ")
        _keep(call, storage, name, file)
        task.say(f"download of '{url}' to '{path}' finished")

    return call.task("download", work, name)


def _is_there(call, task, file, path):
    """Whether the storage has the file already; another file of this name is never replaced."""
    if file is None:
        return False
    if not call.get("checksum"):
        raise ApiError(f"refusing to override existing file '{path}'")
    expected, got = call.get("checksum"), file.sums.get(call.get("checksum-algorithm"))
    if got not in (None, expected.lower()):
        task.say("calculating checksum of existing file...")
        raise ApiError(f"checksum mismatch: got '{got}' != expect '{expected}', aborting")
    task.say("calculating checksum of existing file...OK, got correct file already, no need to download")
    return True


def _fetched(call):
    try:
        return call.world.web(call.get("url"))
    except web.Missing:
        raise ApiError("download failed: exit code 8") from None
    except web.Broken:
        # wget reports 4 for errors of the network; that it does not try again is ASSUMED.
        raise ApiError("download failed: exit code 4") from None
    except web.Refused as refused:
        raise ApiError(f"download failed: Connecting to {refused}... failed: Connection refused.") from None


def metadata(call):
    """What a web server reports about a file (the text about one that rejects the request is ASSUMED)."""
    try:
        file = call.world.web(call.get("url"))
    except web.Missing as missing:
        raise ApiError(f"invalid server response: '{missing}'") from None
    except web.Refused as refused:
        raise ApiError(f"invalid server response: '500 Can't connect to {refused} (Connection refused)'") from None
    name = unquote(urlsplit(call.get("url")).path).rpartition("/")[2]
    return {"filename": name, "mimetype": file.type, "size": file.size}


def _target(call):
    """(storage, name of the file) after all checks."""
    storage, kind = call.world.storages.usable(call.get("storage"), call.node), call.get("content")
    if not storage.has_files:
        raise ApiError(f"can't upload to storage type '{storage.type}', not a file based storage!")
    name = re.sub(r"[^a-zA-Z0-9_.-]", "_", re.split(r"[/\\]", call.get("filename"))[-1])
    is_old = kind == "import" and call.world.schema.version < _IMAGES_SINCE
    if not re.search(f".{_ENDINGS[kind]}$", name) or (is_old and not name.endswith(".ova")):
        why = "invalid filename or wrong extension" if kind == "import" else "wrong file extension"
        raise ParameterError(filename=why)
    if kind not in storage.content:
        raise ParameterError(storage=f"storage '{storage.id}' is not configured for content-type '{kind}'")
    return storage, name


def _check_sum(call, task, file):
    expected, got = call.get("checksum"), file.checksum(call.get("checksum-algorithm"))
    if expected and got not in (None, expected.lower()):
        task.say("calculating checksum...")
        raise ApiError(f"checksum mismatch: got '{got}' != expect '{expected}'")
    if expected:
        task.say("calculating checksum...OK, checksum verified")


def _unpack(call, task, file, path, temporary):
    """Compressed files are not really unpacked; anything else cannot be."""
    if call.get("compression") is None:
        return
    if call.get("content") == "import":
        raise ApiError("decompression not supported for import")
    task.say(f"decompressing {temporary} to {path}.tmp_dcom.{task.pid}")
    if call.get("compression") == "gz" and file.real and not file.head.startswith(b"\x1f\x8b"):
        task.say(f"gzip: {temporary}: not in gzip format")
        raise ApiError(f"command 'zcat {temporary}' failed: exit code 1")


def _verify(name, file, temporary, prefix=""):
    format_ = name.rpartition(".")[2].lower()
    if file.real and format_ in _MAGIC and not file.head.startswith(_MAGIC[format_]):
        raise ApiError(f"{prefix}qemu-img: Could not open '{temporary}': Image is not in {format_} format")


def _begin(call, storage, name):
    """Store an incomplete file."""
    _store(call, storage, name, Volume(0, _format_of(name), file_size=0))


def _keep(call, storage, name, file):
    _store(call, storage, name, Volume(file.virtual_size, _format_of(name), file_size=file.size, sums=file.checksums))
    call.world.effect(None, f"STORED {storage.id}:{call.get('content')}/{name}")


def _store(call, storage, name, volume):
    kind = call.get("content")
    storage.volumes[storage.key(call.node, f"{kind}/{name}")] = replace(volume, content=kind, created=int(time.time()))


def _format_of(name):
    ending = name.rpartition(".")[2].lower()
    return ending if ending in ("qcow2", "vmdk") else "raw"
