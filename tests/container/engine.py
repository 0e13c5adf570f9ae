"""Docker, or podman where no Docker answers: building images and running containers."""

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
PODMAN = """[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
runtime = "{runtime}"
"""


@dataclass(frozen=True)
class Engine:
    program: str
    environment: dict = field(default_factory=dict)

    def __call__(self, *arguments, code=0, timeout=300, **options):
        """Run a command of the engine; the exit code must be ``code``, any where that is None."""
        done = subprocess.run(
            [self.program, *map(str, arguments)],
            env=os.environ | self.environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout,
            **options,
        )
        if code is not None and done.returncode != code:
            raise AssertionError(
                f"{self.program} {' '.join(map(str, arguments))}: exit code {done.returncode}\n"
                f"{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
            )
        return done

    @property
    def own_user(self):
        """What lets a container be started as who starts it: podman without a root counts users anew otherwise."""
        return ("--userns", "keep-id") if self.program == "podman" and os.geteuid() != 0 else ()

    @property
    def building(self):
        """What ``build`` is told beside what a user tells it."""
        if self.program == "docker":
            return ()
        # A health check is Docker's own; packages are fetched by the ways of this machine.
        return ("--format", "docker", "--network", "host")


def find_engine(folder):
    """The engine of this machine, or None; ``folder`` keeps settings of podman's."""
    docker = Engine("docker")
    if shutil.which("docker") and docker("info", code=None).returncode == 0:
        return docker
    if not shutil.which("podman"):
        return None
    # In a machine that is a container itself, podman may not raise limits; crun knows no mixed control groups.
    settings = folder / "containers.conf"
    settings.write_text(PODMAN.format(runtime="runc" if shutil.which("runc") else "crun"))
    return Engine("podman", {"CONTAINERS_CONF": str(settings)})
