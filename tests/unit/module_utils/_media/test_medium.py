# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Media are downloaded once and completely, from a real server; nothing wrong is kept."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import threading

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._media import install_medium as product
from ansible_collections.polyvirt.core.plugins.module_utils._ports.progress import received_by

from unit.module_utils._media.server import ISO, NAME, Proxy, Server, checksum


def test_file_is_downloaded_once(cache, server):
    predicted = cache(check=True)
    assert cache.files() == []
    done = cache()
    assert done == predicted
    assert (done["changed"], done["path"]) == (True, str(cache.folder / NAME))
    assert done["checksum"] == f"sha256:{checksum(ISO)}"
    assert done["signature"] == "none"
    assert done["diff"]["after"] == f"{NAME}\n"
    assert cache.read() == ISO
    again = cache()
    assert (again["changed"], again["diff"]["after"]) == (False, "")
    assert server.fetched(f"/r/{NAME}") == [None]
    assert cache.files() == [NAME]


@pytest.mark.parametrize("form", ["digits", "list"])
def test_any_address_with_a_checksum(cache, server, form):
    url = server.url.replace("//", "//reader:hidden-word@")
    text = checksum(ISO) if form == "digits" else f"{url}/r/SUMS"
    medium = {"url": f"{url}/r/{NAME}?version=1", "checksum": f"sha256:{text}"}
    server.files[f"/r/{NAME}?version=1"] = ISO
    predicted = cache(check=True, medium=medium)
    done = cache(medium=medium)
    assert done == predicted
    assert (done["changed"], done["path"], done["signature"]) == (True, str(cache.folder / NAME), "none")
    assert (done["checksum"], done["url"]) == (f"sha256:{checksum(ISO)}", f"{server.url}/r/{NAME}")
    assert cache.read() == ISO
    assert (cache.folder / NAME).stat().st_mode & 0o777 == 0o644
    assert not cache(medium=medium)["changed"]
    wrong = {**medium, "checksum": f"sha256:{checksum(b'other')}"}
    assert f"its sha256 is {checksum(ISO)}, but it must be {checksum(b'other')}." in cache.error(medium=wrong)
    assert cache.files() == [NAME]


@pytest.mark.parametrize(
    "medium,text",
    [
        ({"url": "http://127.0.0.1:9/x"}, "medium: url and checksum are set together"),
        ({"checksum": "sha256:0"}, "medium: url and checksum are set together"),
        (
            {"url": "http://127.0.0.1:9/x", "checksum": "sha256:0", "signature": {"tool": "gpg", "key": "0"}},
            "without the other suboptions",
        ),
        ({"url": "http://127.0.0.1:9/", "checksum": "sha256:0"}, "medium: file required"),
        (
            {"url": "http://127.0.0.1:9/x", "checksum": "sha256:0"},
            "medium: x: checksum: sha256:0 is no checksum of x. Set sha256:DIGITS",
        ),
    ],
)
def test_address_in_another_form_is_rejected(cache, medium, text):
    assert text in cache.error(medium=medium)
    assert cache.files() == []


def test_new_content_replaces_the_old_one(cache, server):
    cache()
    server.files[f"/r/{NAME}"] = b"new"
    server.files["/r/SUMS"] = f"{checksum(b'new')}  {NAME}\n".encode()
    assert cache()["changed"]
    assert cache.read() == b"new"


def test_damaged_file_is_replaced(cache):
    cache()
    (cache.folder / NAME).write_bytes(ISO[:-1])
    assert cache(check=True)["changed"]
    assert cache()["changed"]
    assert cache.read() == ISO


def test_second_file_belongs_to_it(cache, server):
    server.files["/r/sub/initrd.gz"] = b"\x1f\x8b initrd"
    server.files["/r/SUMS"] += f"{checksum(server.files['/r/sub/initrd.gz'])}  ./sub/initrd.gz\n".encode()
    done = cache(initrd="sub/initrd.gz")
    assert done["initrd"] == str(cache.folder / "initrd.gz")
    assert (cache.folder / "initrd.gz").read_bytes() == b"\x1f\x8b initrd"


@pytest.mark.parametrize("cuts", [[0], [1], [500_000], [500_000, 0, 1, 0, 0, 300_000]])
def test_broken_connection_is_continued(cache, server, cuts):
    server.cuts[f"/r/{NAME}"] = list(cuts)
    assert cache()["changed"]
    assert cache.read() == ISO
    assert len(server.fetched(f"/r/{NAME}")) == len(cuts) + 1
    if cuts[0]:
        assert server.fetched(f"/r/{NAME}")[1] == f"bytes={cuts[0]}-"


def test_bytes_of_a_download_are_reported_also_when_it_is_continued(cache, server):
    server.cuts[f"/r/{NAME}"] = [600_000]
    reports = []
    with received_by(lambda *words: reports.append(words)):
        cache()
    assert {(step, total) for step, _done, total in reports} == {(f"download of {NAME}", len(ISO))}
    assert reports[-1][1] == len(ISO)
    assert min(done for _step, done, _total in reports) >= 600_000


def test_next_task_continues(cache, server):
    server.cuts[f"/r/{NAME}"] = [600_000, 0, 0, 0]
    error = cache.error()
    assert "after 600000 bytes. Run the task again. If the server supports ranges, it continues there." in error
    assert len(cache.files()) == 1
    assert cache()["changed"]
    assert server.fetched(f"/r/{NAME}")[-1] == "bytes=600000-"
    assert cache.read() == ISO
    assert cache.files() == [NAME]


def test_server_without_ranges_begins_again(cache, server):
    server.cuts[f"/r/{NAME}"] = [600_000]
    server.ranges = False
    cache()
    assert cache.read() == ISO


def test_part_of_another_version_is_not_completed(cache, server):
    server.cuts[f"/r/{NAME}"] = [600_000, 0, 0, 0]
    cache.error()
    server.files[f"/r/{NAME}"] = b"new" * 400_000
    server.files["/r/SUMS"] = f"{checksum(b'new' * 400_000)}  {NAME}\n".encode()
    cache()
    assert cache.read() == b"new" * 400_000
    assert cache.files() == [NAME]


def test_complete_part_of_a_killed_task_is_used(cache, server):
    server.cuts[f"/r/{NAME}"] = [600_000, 0, 0, 0]
    cache.error()
    (part,) = cache.folder.iterdir()
    part.write_bytes(ISO)
    cache()
    assert cache.files() == [NAME]


def test_wrong_checksum_is_an_error_and_nothing_is_kept(cache, server):
    cache()
    server.files[f"/r/{NAME}"] = ISO + b"!"
    server.files["/r/SUMS"] = f"{checksum(b'?')}  {NAME}\n".encode()
    error = cache.error()
    assert f"{server.url}/r/{NAME}: its sha256 is {checksum(ISO + b'!')}, but it must be {checksum(b'?')}." in error
    assert cache.files() == [NAME]
    assert cache.read() == ISO


def test_address_without_the_file_is_followed_by_the_next(cache, server):
    server.files["/old/SUMS"] = f"{checksum(ISO)}  d-0.9.iso\n".encode()
    done = cache(bases=[f"{server.url}/none", f"{server.url}/old", f"{server.url}/r"])
    assert done["url"] == f"{server.url}/r/{NAME}"


def test_file_is_taken_from_another_address_than_its_list(cache, server):
    server.files["/lists/SUMS"] = server.files["/r/SUMS"]
    done = cache(bases=[f"{server.url}/lists", f"{server.url}/none/", f"{server.url}/r"])
    assert (done["url"], cache.read()) == (f"{server.url}/r/{NAME}", ISO)


def test_error_names_all_addresses_without_the_file(cache, server):
    del server.files[f"/r/{NAME}"]
    error = cache.error(bases=[f"{server.url}/r", f"{server.url}/none"])
    assert all(f"{server.url}/{folder}/{NAME}: the server answers 404 Not Found." in error for folder in ("r", "none"))


def test_list_that_was_cut_is_not_used(cache, server):
    server.files["/r/SUMS"] += f"{checksum(ISO)}  d-1.9.9.iso\n".encode()
    server.cuts["/r/SUMS"] = [len(checksum(ISO)) + len(NAME) + 3]
    assert f"{server.url}/r/SUMS: the connection broke off." in cache.error()
    assert cache.files() == []


def test_name_with_a_blank_is_downloaded(cache, server):
    server.files = {"/r/d-1%202.iso": ISO, "/r/SUMS": f"{checksum(ISO)}  d-1 2.iso\n".encode()}
    assert cache(file="d-1*.iso")["path"] == str(cache.folder / "d-1 2.iso")
    assert (cache.folder / "d-1 2.iso").read_bytes() == ISO


def test_error_names_what_each_address_answered(cache, server):
    server.files["/old/SUMS"] = b""
    error = cache.error(bases=[f"{server.url}/none", "http://user:secret@127.0.0.1:1/x", f"{server.url}/old"])
    assert error.startswith("d-1.*.iso was not found.")
    assert f"{server.url}/none/SUMS: the server answers 404 Not Found." in error
    assert "http://127.0.0.1:1/x/SUMS: " in error
    assert "secret" not in error
    assert f"{server.url}/old/SUMS: has no d-1.*.iso." in error
    assert cache.files() == []


def test_redirect_is_followed(cache, server):
    server.redirects = {"/m/SUMS": f"{server.url}/r/SUMS", f"/m/{NAME}": f"{server.url}/r/{NAME}"}
    cache(bases=[f"{server.url}/m"])
    assert cache.read() == ISO


def test_proxy_of_the_environment_is_used(cache, server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("no_proxy", raising=False)
    server.files["http://mirror.example/SUMS"] = server.files["/r/SUMS"]
    server.files[f"http://mirror.example/{NAME}"] = ISO
    cache(bases=["http://mirror.example"])
    assert cache.read() == ISO


@pytest.fixture(name="secure")
def _secure(server, tmp_path, monkeypatch):
    """A server with https. The environment variable SSL_CERT_FILE makes its certificate valid."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed; it makes the certificate")
    key, certificate = tmp_path / "server.pem", tmp_path / "c.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*words, "-days", "2", "-keyout", key, "-out", certificate, *names], check=True, capture_output=True)
    key.write_text(key.read_text() + certificate.read_text())
    secure = Server(key)
    secure.files = server.files
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    yield secure
    secure.close()


def test_unknown_certificate_is_an_error(cache, secure, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    assert "certificate" in cache.error(bases=[f"{secure.url}/r"]).lower()


@pytest.mark.parametrize("without", ["", "127.0.0.1"], ids=["proxy", "no_proxy"])
def test_proxy_for_https(cache, secure, monkeypatch, without):
    proxy = Proxy()
    monkeypatch.setenv("https_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", without)
    try:
        cache(bases=[f"{secure.url}/r"])
    finally:
        proxy.close()
    assert cache.read() == ISO
    assert proxy.asked == ([] if without else [secure.url.rpartition("/")[2]] * 2)


def test_proxy_is_not_used_for_the_hosts_of_no_proxy(cache, server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    cache()
    assert cache.read() == ISO
    monkeypatch.setenv("no_proxy", "example.org")
    assert "Connection refused" in cache.error()


def test_two_tasks_download_once(cache, server, monkeypatch):
    """The second task waits for the lock of the first, and finds the file."""
    cache.folder.mkdir()
    part = cache.folder / f".{NAME}.{checksum(ISO)[:16]}.part"
    handle = os.open(part, os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    waiting = threading.Event()

    def pause(_clock, _seconds):
        # The other task ends with the file in place.
        part.write_bytes(ISO)
        part.rename(cache.folder / NAME)
        os.close(handle)
        waiting.set()

    monkeypatch.setattr(product.Clock, "sleep", pause)
    cache()
    assert waiting.is_set()
    assert server.fetched(f"/r/{NAME}") == []


def test_medium_that_is_not_published_names_its_address(cache):
    assert "Get it from https://x.example/, and use its path." in cache.error(manual="https://x.example/")


@pytest.mark.parametrize("found", ["amd64", None])
def test_medium_for_another_architecture_is_rejected(cache, server, found):
    listed = {"type": "iso", "file": NAME, "bases": [f"{server.url}/r/"], "checksums": "SUMS"}
    medium = {**listed, **({"architecture": found} if found else {})}
    text = f"architecture: arm64 was requested, but {NAME} is for {found or 'an unknown architecture'}."
    assert text in cache.error(medium=medium, architecture="arm64")
    assert cache.files() == []
    assert cache(medium={**medium, "architecture": "arm64"}, architecture="arm64")["changed"]
