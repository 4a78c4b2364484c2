"""A real MooseFS, which is what RunPod's network volumes are: a master, a chunkserver and FUSE mounts.

    with MooseFS(one_way=0.0005) as cluster:       # seconds that each packet takes to the master and back
        folder = cluster.folder("first")           # empty folders, as many as are wanted
        other = cluster.mount()                    # a second client, with caches of its own: another host
        with cluster.frozen("chunkserver"): ...    # "mount", "master": SIGSTOP, then SIGCONT
        before = cluster.packets()                 # round trips of the first mount
        cluster.remount()                          # cold; with ``delayed=False`` its packets are not held up from now on
        cluster.kill("mount")                      # a dead mount: "Transport endpoint is not connected"

It lies in a network namespace of its own (MooseFS's parts refuse 127.0.0.0/8), so any number of clusters run side by side. It
needs root, FUSE and Debian's moosefs-* packages; tests are skipped where they are missing. Whoever looks at a frozen mount
hangs: only processes that a test starts may do so. All of it dies with the process that made it, also by SIGKILL.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import pytest

from tests import PATIENCE, REPOSITORY

Part = Literal["mount", "master", "chunkserver"]

_PROGRAMS = ("mfsmaster", "mfschunkserver", "mfsmount", "ip", "unshare", "nsenter")
_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
_EMPTY = Path("/var/lib/mfs/metadata.mfs.empty")
_MASTER, _DELAYED = "192.0.2.1", "192.0.2.2"  # of the range for documentation; the namespace is ours
_PORT = 9421
_NETWORK = f"ip link set lo up && ip addr add {_MASTER}/32 dev lo && ip addr add {_DELAYED}/32 dev lo"
_CLEAN = 'cat; for mount in "$0"/mnt-*; do umount -l "$mount"; done; rm -rf --one-file-system "$0"'


def missing() -> str | None:
    """Why there can be no MooseFS here; ``None`` where there can."""
    if os.getuid() != 0 or not os.access("/dev/fuse", os.W_OK):
        return "a MooseFS needs root and /dev/fuse"
    if lacking := [name for name in _PROGRAMS if shutil.which(name, path=_PATH) is None]:
        return f"a MooseFS needs {', '.join(lacking)}: apt-get install moosefs-master moosefs-chunkserver moosefs-client"
    if subprocess.run(
        ["unshare", "--net", "sh", "-c", _NETWORK], env={"PATH": _PATH}, capture_output=True, check=False
    ).returncode:
        return "a MooseFS needs network namespaces, which are not permitted here"
    return None


class MooseFS:
    """See the module's docstring."""

    def __init__(self, one_way: float = 0.0) -> None:
        self._one_way = one_way
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._base = Path(tempfile.mkdtemp(prefix="f5-moosefs-"))
            cleaner = subprocess.Popen(
                ["sh", "-c", _CLEAN, str(self._base)],
                stdin=subprocess.PIPE,  # it ends when we do, in whatever way
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            stack.callback(cleaner.wait, PATIENCE)
            assert cleaner.stdin is not None
            stack.callback(cleaner.stdin.close)
            stack.callback(self._kill_all)
            self._start_servers()
            self.root = self.mount()
            _wait(lambda: os.statvfs(self.root).f_blocks, "the chunkserver has not come")
            self._tool("mfssetgoal", "1", str(self.root))  # else it waits some seconds for a server that holds the second copy
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, trace)

    def folder(self, name: str) -> Path:
        """A new folder on the volume, as the first mount sees it."""
        folder = self.root / name
        folder.mkdir()
        return folder

    def mount(self) -> Path:
        """A mount of its own, as on another host; returns where."""
        name = f"mnt-{sum(part.startswith('mnt-') for part in self._running)}"
        point = self._base / name
        point.mkdir()
        self._mount(name)
        return point

    def remount(self, *, delayed: bool = True) -> None:
        """Take the first mount away, also a dead one, and mount it anew, with empty caches."""
        subprocess.run(["umount", "--lazy", str(self.root)], check=True)
        self._end("mnt-0")
        self._mount("mnt-0", delayed=delayed)

    def limit(self, folder: Path, size: int) -> None:
        """Let a folder of the first mount hold so many bytes, as a volume of that size."""
        self._tool("mfssetquota", "-S", str(size), str(folder))

    def start_chunkserver(self) -> None:
        """The one that stores all, which is not there yet, or was killed."""
        self._run("chunkserver", [*self._inside(), "mfschunkserver", "-f", "-c", str(self._base / "chunks.cfg"), "start"])

    def mend(self) -> None:
        """Thaw what is frozen; start the chunkserver, and mount anew, where these are dead."""
        self.thaw()
        if self._running["chunkserver"].poll() is not None:
            self.start_chunkserver()
        if self._running["mnt-0"].poll() is not None:
            self.remount()

    def packets(self) -> int:
        """Packets that the first mount has sent to the master: its round trips."""
        return self.counts()["master.packets_sent"]

    def counts(self) -> dict[str, int]:
        """All that the first mount counts: ``fuse_ops.read``, ``master.bytes_sent`` ..."""
        lines = (line.partition(":") for line in (self.root / ".stats").read_text().splitlines())
        return {name: int(value) for name, _, value in lines if value.strip().isdigit()}  # in brackets: no counts

    @contextmanager
    def frozen(self, part: Part) -> Iterator[None]:
        """Nothing that needs this part goes on within the block."""
        self.freeze(part)
        try:
            yield
        finally:
            self.thaw()

    def freeze(self, part: Part) -> None:
        """SIGSTOP. ``mount`` is the first one."""
        self._process(part).send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT for whatever is frozen."""
        for process in self._running.values():
            process.send_signal(signal.SIGCONT)

    def kill(self, part: Part) -> None:
        """SIGKILL. A mount stays behind, dead, until ``remount``."""
        self._end("mnt-0" if part == "mount" else part)

    def _process(self, part: Part) -> "subprocess.Popen[bytes]":
        return self._running["mnt-0" if part == "mount" else part]

    def _start_servers(self) -> None:
        base = self._base
        for name in ("master", "chunks", "disk"):
            (base / name).mkdir()
        shutil.copy(_EMPTY, base / "master" / "metadata.mfs")
        (base / "exports").write_text("* / rw,alldirs,admin,maproot=0:0\n")
        (base / "topology").touch()
        (base / "hdd").write_text(f"{base / 'disk'}\n")
        ours = ["WORKING_USER=root", "WORKING_GROUP=root"]
        listen = [f"{name}_LISTEN_HOST={_MASTER}" for name in ("MATOML", "MATOCS", "MATOCL")]
        files = [f"EXPORTS_FILENAME={base / 'exports'}", f"TOPOLOGY_FILENAME={base / 'topology'}"]
        (base / "master.cfg").write_text("\n".join([*ours, f"DATA_PATH={base / 'master'}", *files, *listen]))
        hosts = [
            f"MASTER_HOST={_MASTER}",
            f"BIND_HOST={_MASTER}",
            f"CSSERV_LISTEN_HOST={_MASTER}",
            "MASTER_RECONNECTION_DELAY=1",
        ]
        disk = [f"HDD_CONF_FILENAME={base / 'hdd'}", "HDD_LEAVE_SPACE_DEFAULT=0.1GiB"]
        (base / "chunks.cfg").write_text("\n".join([*ours, f"DATA_PATH={base / 'chunks'}", *hosts, *disk]))
        # The master brings the namespace up, the others enter it; it is gone with the last of them.
        master = ["unshare", "--net", "sh", "-c", f'{_NETWORK} && exec "$@"', "sh", "mfsmaster", "-f", "-c"]
        self._run("master", [*master, str(base / "master.cfg"), "start"])
        self._wait_for_port(_MASTER)
        self.start_chunkserver()
        if self._one_way:
            proxy = [sys.executable, str(REPOSITORY / "tests" / "support" / "slow_link.py"), _DELAYED, _MASTER, str(_PORT)]
            self._run("link", [*self._inside(), *proxy, str(self._one_way)])
            self._wait_for_port(_DELAYED)

    def _mount(self, name: str, *, delayed: bool = True) -> None:
        point = self._base / name
        host = _DELAYED if self._one_way and delayed else _MASTER
        self._run(name, [*self._inside(), "mfsmount", "-f", str(point), "-H", host, "-P", str(_PORT)])
        _wait(lambda: os.path.ismount(point), "the mount has not come", self._running[name])

    def _inside(self) -> Sequence[str]:
        return ("nsenter", f"--net=/proc/{self._running['master'].pid}/ns/net")

    def _tool(self, *command: str) -> None:
        subprocess.run([*self._inside(), *command], env={"PATH": _PATH}, capture_output=True, check=True)

    def _run(self, name: str, command: Sequence[str]) -> None:
        tied = [sys.executable, "-I", "-S", str(REPOSITORY / "bootstrap" / "die_with_parent.py"), str(os.getpid()), *command]
        with (self._base / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                tied, env={"PATH": _PATH}, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def _wait_for_port(self, host: str) -> None:
        master = self._running["master"]
        entry = f"{int.from_bytes(bytes(map(int, host.split('.'))), 'little'):08X}:{_PORT:04X} 00000000:0000 0A"
        _wait(lambda: entry in Path(f"/proc/{master.pid}/net/tcp").read_text(), f"nobody listens on {host}", master)

    def _end(self, name: str) -> None:
        process = self._running[name]
        process.kill()
        process.wait(PATIENCE)

    def _kill_all(self) -> None:
        for name in reversed(self._running):
            self._end(name)


def _wait(condition: Callable[[], object], what: str, process: "subprocess.Popen[bytes] | None" = None) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process is None or process.poll() is None, f"{what}; it has ended with {process.returncode}"
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@pytest.fixture(scope="session")
def moosefs_cluster() -> Iterator[MooseFS]:
    """One cluster for all tests of this process; thawed, and with a living mount, before each that asks for ``moosefs``."""
    if (reason := missing()) is not None:
        pytest.skip(reason)
    with MooseFS() as cluster:
        yield cluster


@pytest.fixture
def moosefs(moosefs_cluster: MooseFS) -> Iterator[MooseFS]:
    """The cluster of this process, left as it was found."""
    try:
        yield moosefs_cluster
    finally:
        moosefs_cluster.mend()
