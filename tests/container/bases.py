"""The images that the Dockerfile starts from; where no registry has them to give, images of Debian's that stand in for them."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from container.engine import ROOT

WAYS = (
    "etc/apt/sources.list",
    "etc/apt/sources.list.d/debian.sources",
    "etc/pip.conf",
    "etc/ssl/certs/ca-certificates.crt",
)
"""How this machine reaches packages."""
STAND_IN = """FROM {python}
RUN mkdir -p /tmp/package/DEBIAN /tmp/package/usr/bin /opt/packages \\
    && printf '%s\\n' 'Package: {package}' 'Version: {version}' 'Architecture: all' 'Maintainer: tests <tests@localhost>' \\
       'Depends: python3-venv' 'Description: stand-in' > /tmp/package/DEBIAN/control \\
    && ln -s python3 /tmp/package/usr/bin/{python_name} \\
    && dpkg-deb --build /tmp/package /opt/packages/stand-in.deb \\
    && printf '%s\\n' 'Package: {package}' 'Version: {version}' 'Architecture: all' 'Depends: python3-venv' \\
       'Filename: ./stand-in.deb' "Size: $(stat -c %s /opt/packages/stand-in.deb)" \\
       "SHA256: $(sha256sum /opt/packages/stand-in.deb | cut -d ' ' -f 1)" 'Description: stand-in' > /opt/packages/Packages \\
    && echo 'deb [trusted=yes] file:/opt/packages ./' > /etc/apt/sources.list.d/stand-in.list
"""


def named_bases():
    """The Dockerfile's own: argument to image."""
    text = (ROOT / "Dockerfile").read_text()
    return dict(re.findall(r"^ARG (PYTHON|CUDA)=(\S+)$", text, flags=re.MULTILINE))


def find_bases(engine, folder):
    """Argument of the build to image: none where the registry gives those of the Dockerfile."""
    wanted = named_bases()
    try:
        if all(engine("pull", image, code=None).returncode == 0 for image in wanted.values()):
            return {}
    except subprocess.TimeoutExpired:
        pass
    if not shutil.which("debootstrap") or os.geteuid() != 0:
        raise AssertionError(
            f"{', '.join(wanted.values())}: no registry gives them, and debootstrap cannot make others"
        )
    return {"PYTHON": _make_python(engine, folder), "CUDA": _make_cuda(engine, folder)}


def _make_python(engine, folder):
    """Debian with its Python, called ``python`` and free to be installed into."""
    image, root = "localhost/wordkin-test/python", folder / "root"
    if engine("image", "inspect", image, code=None).returncode == 0:
        return image
    listed = Path("/etc/apt/sources.list.d/debian.sources")
    if not listed.is_file():
        raise AssertionError(
            f"no registry gives the bases, and {listed}, from which others are made, is not there"
        )
    sources = listed.read_text()
    mirror = re.search(r"^URIs: (\S+)", sources, flags=re.MULTILINE)[1]
    suite = re.search(r"^Suites: (\S+)", sources, flags=re.MULTILINE)[1]
    packages = "ca-certificates,python3-venv,python3-pip"
    command = ["debootstrap", "--variant=minbase", f"--include={packages}", suite, root, mirror]
    made = subprocess.run(command, check=False, capture_output=True, text=True)
    if made.returncode:
        raise AssertionError(
            f"debootstrap: exit code {made.returncode}\n{made.stdout[-2000:]}\n{made.stderr[-2000:]}"
        )
    for way in WAYS:
        if Path("/", way).is_file():
            shutil.copyfile(Path("/", way), root / way)
    for mark in root.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
        mark.unlink()
    (root / "usr/bin/python").symlink_to("python3")
    with subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE) as packed:
        engine("import", "-", image, stdin=packed.stdout)
    if packed.returncode:
        engine("rmi", image)
        raise AssertionError(f"tar ended with {packed.returncode}")
    shutil.rmtree(root)
    return image


def _make_cuda(engine, folder):
    """The same, with a package of the name and version that the Dockerfile installs."""
    image = "localhost/wordkin-test/cuda"
    package, version = re.search(
        r'"(python[\d.]+-venv)=([^"*]+)\*"', (ROOT / "Dockerfile").read_text()
    ).groups()
    recipe = folder / "Dockerfile.stand-in"
    recipe.write_text(
        STAND_IN.format(
            python="localhost/wordkin-test/python",
            package=package,
            version=f"{version}1",
            python_name=package.removesuffix("-venv"),
        )
    )
    engine("build", *engine.building, "--file", recipe, "--tag", image, folder)
    return image
