"""Data are brought over HTTP, resumed where they broke off, and checked."""

import hashlib
import io
import threading
import zipfile
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.data.fetch import SHA256, fetch
from training.errors import FetchError

TEXTS = {f"{kind}_FD00{n}.txt": f"{kind} {n}\n".encode() * 5000 for kind in ("train", "RUL") for n in (1, 2)}
SUMS = {name: hashlib.sha256(text).hexdigest() for name, text in TEXTS.items()}


def zipped(texts, method=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, text in texts.items():
            archive.writestr(name, text)
    return buffer.getvalue()


# As NASA's: a folder in a zip, in it the zip of the texts.
NESTED = zipped({"6. Turbofan/readme.txt": b"hello", "6. Turbofan/CMAPSSData.zip": zipped(TEXTS)})


class Server:
    """Serves one content; can break off once, and can ignore ranges."""

    def __init__(self):
        self.content, self.break_after, self.ranges, self.requests = NESTED, None, True, []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                asked = self.headers.get("Range")
                server.requests.append(asked)
                start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and server.ranges else 0
                if self.path != "/data.zip" or start >= len(server.content):
                    self.send_error(404 if self.path != "/data.zip" else 416)
                    return
                self.send_response(206 if start else 200)
                body = server.content[start:]
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if server.break_after is not None:
                    body, server.break_after = body[: server.break_after], None
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}/data.zip"

    def __enter__(self):
        self._thread = threading.Thread(target=partial(self._http.serve_forever, poll_interval=0.01))
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@pytest.fixture
def server():
    with Server() as server:
        yield server


def bring(folder, url, sums=SUMS):
    seen = []
    paths = fetch(folder, url, lambda have, total: seen.append((have, total)), sums)
    return paths, seen


def test_texts_are_brought_out_of_a_nested_zip(server, tmp_path):
    paths, seen = bring(tmp_path / "new" / "cmapss", server.url)
    assert {path.name: path.read_bytes() for path in paths} == TEXTS
    assert seen[-1] == (len(NESTED), len(NESTED))
    assert sorted(path.name for path in (tmp_path / "new" / "cmapss").iterdir()) == sorted(TEXTS)


def test_a_download_that_broke_off_is_resumed(server, tmp_path):
    server.break_after = 20_000
    with pytest.raises(FetchError, match=r"run the command again to resume"):
        bring(tmp_path, server.url)
    bring(tmp_path, server.url)
    assert server.requests == [None, "bytes=20000-"]


def test_a_server_that_cannot_resume_sends_all_again(server, tmp_path):
    server.break_after, server.ranges = 20_000, False
    with pytest.raises(FetchError):
        bring(tmp_path, server.url)
    paths, _ = bring(tmp_path, server.url)
    assert {path.name: path.read_bytes() for path in paths} == TEXTS


def test_a_download_that_only_lacked_unpacking_is_not_brought_again(server, tmp_path):
    (tmp_path / "cmapss.zip.part").write_bytes(NESTED)
    paths, seen = bring(tmp_path, server.url)
    assert len(paths) == len(TEXTS)
    assert seen == []


def test_what_is_there_and_right_is_not_asked_for_again(server, tmp_path):
    bring(tmp_path, server.url)
    asked = len(server.requests)
    bring(tmp_path, server.url)
    assert len(server.requests) == asked


def test_a_text_that_was_changed_since_is_brought_again(server, tmp_path):
    bring(tmp_path, server.url)
    (tmp_path / "RUL_FD001.txt").write_text("1\n")
    bring(tmp_path, server.url)
    assert (tmp_path / "RUL_FD001.txt").read_bytes() == TEXTS["RUL_FD001.txt"]


def test_a_text_with_the_wrong_sum_is_refused_and_nothing_is_written(server, tmp_path):
    with pytest.raises(FetchError, match=r"RUL_FD001\.txt with SHA-256 .* expected 0000"):
        bring(tmp_path, server.url, SUMS | {"RUL_FD001.txt": "0000"})
    assert list(tmp_path.iterdir()) == []


DEFLATED = zipped({"CMAPSSData.zip": zipped(TEXTS, zipfile.ZIP_DEFLATED)}, zipfile.ZIP_DEFLATED)


@pytest.mark.whole
@settings(deadline=None)
@given(st.integers(0, len(DEFLATED) - 1), st.binary(min_size=1, max_size=8), st.integers(0, 60))
def test_a_damaged_zip_is_refused_in_one_line_and_does_not_block_the_next_try(place, damage, lost):
    damaged = DEFLATED[:place] + damage + DEFLATED[place + len(damage) : len(DEFLATED) - lost]
    with TemporaryDirectory() as folder:
        part = Path(folder, "cmapss.zip.part")
        part.write_bytes(damaged)
        with Server() as server:
            # All of it is there, says the server.
            server.content = damaged
            told = ""
            try:
                bring(Path(folder), server.url)
            except FetchError as refusal:
                told = str(refusal)
        assert "\n" not in told
        left = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
        assert left == ({} if told else TEXTS)


def test_a_zip_with_a_password_is_refused(server, tmp_path):
    # The first bit of the flags of a file, in its header and in the directory.
    content = bytearray(zipped(TEXTS))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags] |= 1
    server.content = bytes(content)
    with pytest.raises(FetchError, match=r"damaged one \(.*password.*\); give another"):
        bring(tmp_path, server.url)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_sends_without_end_is_left(server, tmp_path, monkeypatch):
    monkeypatch.setattr("training.data.fetch._LARGEST_DOWNLOAD", 10_000)
    with pytest.raises(FetchError, match="which is not C-MAPSS"):
        bring(tmp_path, server.url)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/data.zip", "http://no.such.host.invalid/x.zip", "http://[x/y"])
def test_without_a_network_the_other_ways_are_named(tmp_path, url):
    with pytest.raises(FetchError) as refusal:
        bring(tmp_path / "data", url)
    for way in ("--url", f"into {tmp_path / 'data'} by hand", "python -m simulator engines --out"):
        assert way in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("content", [b"<html>no</html>", zipped({"other.txt": b""})])
def test_what_is_not_the_data_is_refused(server, tmp_path, content):
    server.content = content
    with pytest.raises(FetchError, match="--url"):
        bring(tmp_path, server.url)
    assert list(tmp_path.iterdir()) == []


def test_addresses_that_lead_nowhere_are_named(server, tmp_path):
    with pytest.raises(FetchError, match=r"nothing\.zip answers 404"):
        bring(tmp_path, server.url.replace("data", "nothing"))
    with pytest.raises(FetchError, match="neither http"):
        bring(tmp_path, "file:///etc/passwd")


def test_the_sums_are_those_of_the_real_data(cmapss):
    import gzip

    for name, expected in SHA256.items():
        path = cmapss / name
        content = path.read_bytes() if path.exists() else gzip.decompress((cmapss / f"{name}.gz").read_bytes())
        assert hashlib.sha256(content).hexdigest() == expected
