"""A real PostgreSQL server on loopback, run by an unprivileged user; it can be stopped and started."""

import os
import pwd
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

__all__ = ["Server", "binaries"]


def binaries() -> Path:
    """The folder of initdb and pg_ctl; the test is skipped where there is none."""
    on_path = shutil.which("initdb")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    found = [Path(on_path).parent] if on_path else folders[-1:]
    if not found:
        pytest.skip("PostgreSQL's server is not installed")
    return found[0]


class Server:
    """A cluster in an empty folder, which an unprivileged user can reach; user `tuner`, password `s3cret`."""

    def __init__(self, folder: Path) -> None:
        self._bin, self._folder = binaries(), folder
        self._log = folder / "log"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"postgresql://tuner:s3cret@127.0.0.1:{self.port}/postgres"
        (folder / "password").write_text("s3cret\n")
        if os.getuid() == 0:
            for path in (folder, folder / "password"):
                shutil.chown(path, "nobody")
        options = ["-U", "tuner", "--pwfile", folder / "password", "-A", "scram-sha-256", "--no-sync"]
        self._run("initdb", "-D", folder / "data", *options)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        sockets = f"-c unix_socket_directories='' -c listen_addresses=127.0.0.1 -p {self.port} -c fsync=off"
        self._run("pg_ctl", "-D", self._folder / "data", "-l", self._log, "-o", sockets, "-w", "start")

    def stop(self) -> None:
        """Stop it at once: every connection breaks, whatever it was about."""
        self._run("pg_ctl", "-D", self._folder / "data", "-m", "immediate", "-w", "stop")

    def _run(self, program: str, *arguments: object) -> None:
        """PostgreSQL refuses to run as root."""
        command = [str(self._bin / program), *map(str, arguments)]
        done = subprocess.run(
            command,
            user="nobody" if os.getuid() == 0 else None,
            group=pwd.getpwnam("nobody").pw_gid if os.getuid() == 0 else None,
            extra_groups=[] if os.getuid() == 0 else None,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
