"""The pack of a hot start: what goes in comes out, and nothing that is damaged, foreign or hostile does."""

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootstrap.libraries import NOTE
from bootstrap.pack import LARGE, MAGIC, DamagedPack, make_header, write_pack
from bootstrap.places import Location, base_python
from bootstrap.store import Store
from bootstrap.unpack import unpack

SITE = "lib/python3.11/site-packages"


def make_environment(home: Path) -> Path:
    """A small environment with one module, bytecode, data that no start reads, and a large library."""
    environment = home / "build-1"
    files = {
        "pyvenv.cfg": f"home = {Path(base_python()).parent}\n",
        f"{SITE}/spoken.py": "value = 7\n",
        f"{SITE}/__pycache__/spoken.cpython-311.pyc": "bytecode",
        f"{SITE}/silent/data.txt": "never read",
        f"{SITE}/unread.py": "raise RuntimeError",
    }
    for path, text in files.items():
        (environment / path).parent.mkdir(parents=True, exist_ok=True)
        (environment / path).write_text(text)
    library = environment / SITE / "big.libs" / "libbig.so.1"
    library.parent.mkdir()
    with library.open("wb") as file:
        file.truncate(LARGE + 4096)
    (environment / "bin").mkdir()
    (environment / "bin" / "python").symlink_to(base_python())
    (environment / "bin" / "python3").symlink_to("python")
    (environment / "lib64").symlink_to("lib")
    return environment


def make_pack(environment: Path) -> Path:
    """Its pack, as a start that has read the module and touched the library's end."""
    touched = [f"{SITE}/__pycache__/spoken.cpython-311.pyc", f"{SITE}/silent.py"]
    header = make_header(environment, touched, {f"{SITE}/big.libs/libbig.so.1": [(LARGE, 1 << 20)]})
    pack = environment.parent / "hot-cpu-build-1.pack"
    write_pack(pack, header, environment)
    return pack


@contextmanager
def packed() -> Iterator[tuple[Path, Path, Path]]:
    """An environment, its pack, and where to unpack it."""
    with TemporaryDirectory() as folder:
        home = Path(folder) / "fingerprint"
        home.mkdir()
        environment = make_environment(home)
        yield environment, make_pack(environment), Path(folder) / "local" / "hot"


def test_what_a_start_reads_is_copied_and_the_rest_leads_to_the_volume() -> None:
    with packed() as (environment, pack, folder):
        folder.parent.mkdir()
        unpack(pack, environment, folder)
        site = folder / SITE
        for name in ("spoken.py", "__pycache__/spoken.cpython-311.pyc"):
            assert not (site / name).is_symlink()
            assert (site / name).read_bytes() == (environment / SITE / name).read_bytes()
        assert (site / "spoken.py").stat().st_mtime_ns == (environment / SITE / "spoken.py").stat().st_mtime_ns
        assert (site / "silent").readlink() == environment / SITE / "silent"
        assert (site / "unread.py").readlink() == environment / SITE / "unread.py"
        assert (site / "big.libs" / "libbig.so.1").samefile(environment / SITE / "big.libs" / "libbig.so.1")
        assert [str((folder / link).readlink()) for link in ("lib64", "bin/python3")] == ["lib", "python"]
        assert str((folder / "bin" / "python").readlink()) == base_python()
        ((library, start, length),) = json.loads((folder / NOTE).read_text())
        assert (Path(library).name, start, length) == ("libbig.so.1", LARGE, 4096)
        unpack(pack, environment, folder)  # another worker of this container was quicker
        assert [path.name for path in folder.parent.iterdir()] == ["hot"]


def test_a_build_that_goes_takes_its_packs_along() -> None:
    with packed() as (environment, pack, _):
        home = environment.parent
        others = [home / "hot-cpu-build-2.pack", home / "large-build-2", home / "ready.json", home / "withdrawn-build-1"]
        for path in others:
            path.touch()
        assert (home / "large-build-1").is_dir()
        store = Store(Location("volume", home.parent))
        store.location.base.mkdir()
        store.discard(environment)
        assert sorted(home.iterdir()) == sorted(others)
        assert len(list(store.trash.iterdir())) == 3
        assert not pack.exists()


def refused(environment: Path, pack: Path, folder: Path) -> None:
    """It is refused whole."""
    folder.parent.mkdir(exist_ok=True)
    with pytest.raises(DamagedPack):
        unpack(pack, environment, folder)
    assert list(folder.parent.iterdir()) == []


@settings(max_examples=30)
@given(st.data())
def test_a_damaged_pack_is_refused_whole(data: st.DataObject) -> None:
    with packed() as (environment, pack, folder):
        whole = pack.read_bytes()
        place = data.draw(st.integers(0, len(whole) - 1))
        flipped = whole[:place] + bytes([whole[place] ^ data.draw(st.integers(1, 255))]) + whole[place + 1 :]
        for damaged in (flipped, whole[:place], whole + b"x"):
            pack.write_bytes(damaged)
            refused(environment, pack, folder)


HOSTILE: dict[str, Callable[[dict[str, Any]], None]] = {
    "another build": lambda header: header.update(build="build-2"),
    "another fingerprint": lambda header: header.update(fingerprint="other"),
    "another Python": lambda header: header.update(python=sys.version + "x"),
    "a file above": lambda header: header["files"][0].__setitem__(0, "../outside"),
    "a file anywhere": lambda header: header["files"][0].__setitem__(0, "/tmp/outside"),
    "a file through a link to the volume": lambda header: header["files"][0].__setitem__(0, f"{SITE}/silent/x"),
    "a link above": lambda header: header["links"].append("a/../../outside"),
    "an alias that leads out": lambda header: header["aliases"].update({"lib64": "../../outside"}),
    "an alias to anywhere": lambda header: header["aliases"].update({"lib64": "/etc"}),
    "a library elsewhere": lambda header: header["libraries"][0].__setitem__(1, "../../etc/passwd"),
    "a range outside": lambda header: header["libraries"][0].__setitem__(3, [[LARGE, LARGE]]),
    "a path twice": lambda header: header["links"].append("pyvenv.cfg"),
    "a negative size": lambda header: header["files"][0].__setitem__(1, -1),
    "the note that unpacking makes": lambda header: header["links"].append(NOTE),
    "no files": lambda header: header.pop("files"),
    "no environment": lambda header: header["aliases"].pop("bin/python"),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_pack_that_is_not_ours_is_refused_with_a_right_checksum(change: Callable[[dict[str, Any]], None]) -> None:
    with packed() as (environment, pack, folder):
        touched = [f"{SITE}/__pycache__/spoken.cpython-311.pyc"]
        header = asdict(make_header(environment, touched, {f"{SITE}/big.libs/libbig.so.1": [(LARGE, 1 << 20)]}))
        header = json.loads(json.dumps(header))
        contents = b"".join((environment / path).read_bytes() for path, *_ in header["files"])
        change(header)
        raw = json.dumps(header).encode()
        document = MAGIC + b"%d\n" % len(raw) + raw + contents
        pack.write_bytes(document + hashlib.sha256(document).digest())
        refused(environment, pack, folder)
