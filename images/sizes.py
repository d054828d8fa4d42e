"""What an image consists of, in megabytes: `python3 images/sizes.py localhost/turbofan-edge:0.1.0-amd64 BASE`."""

import subprocess
import sys
from pathlib import Path

AIOHTTP = ("aiohttp", "aiohappyeyeballs", "aiosignal", "attr", "frozenlist", "idna", "multidict", "propcache", "yarl")
LIBRARIES = ("absl", "cpuinfo", "onnx", "protobuf", "pthreadpool", "re2", "xnnpack")
PYTHON = ("python3", "sqlite3", "ffi", "expat", "readline", "ncursesw", "bluetooth", "db-5")
PARTS = {
    "onnxruntime": [
        "app/packages/onnxruntime*",
        "usr/lib/python3/dist-packages/onnxruntime*",
        *(f"usr/lib/*-linux-*/lib{name}*" for name in LIBRARIES),
    ],
    "numpy": [
        "app/packages/numpy*",
        "usr/lib/python3/dist-packages/numpy*",
        *(f"usr/lib/*-linux-*/{name}*" for name in ("blas", "lapack", "libgfortran")),
    ],
    "Python": [
        "usr/lib/python3.13",
        "usr/bin/python3*",
        "usr/share/zoneinfo",
        *(f"usr/lib/*-linux-*/lib{name}*" for name in PYTHON),
    ],
    "aiohttp and what it needs": [
        *(f"app/packages/{name}*" for name in AIOHTTP),
        *(f"usr/lib/python3/dist-packages/{name}*" for name in AIOHTTP),
    ],
    "azure-iot-device and what it needs": ["app/packages/*"],
    "msgspec, for the service": ["app/service"],
    "default model": ["app/models"],
    "scoring, modules": ["app/scoring", "app/modules"],
    "bills of materials": ["usr/share/sbom"],
}


def run(*command: str) -> str:
    """A command's output."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def files(root: Path, patterns: list[str]) -> dict[Path, int]:
    """The files that patterns name, folders with all that is in them, and their bytes."""
    found: dict[Path, int] = {}
    for pattern in patterns:
        for path in root.glob(pattern):
            below = path.rglob("*") if path.is_dir() and not path.is_symlink() else [path]
            found |= {each: each.stat().st_size for each in below if each.is_file() and not each.is_symlink()}
    return found


def main(image: str, base: str) -> None:
    """Print a row for each part, and what the base and all of it are."""
    container = run("buildah", "from", "--pull-never", image)
    try:
        root = Path(run("buildah", "mount", container))
        counted: set[Path] = set()
        total = 0
        for part, patterns in PARTS.items():
            new = {path: size for path, size in files(root, patterns).items() if path not in counted}
            counted |= new.keys()
            total += sum(new.values())
            print(f"| {part} | {sum(new.values()) / 1e6:.1f} |")
    finally:
        run("buildah", "rm", container)
    whole, minimal = (int(run("podman", "image", "inspect", "-f", "{{.Size}}", name)) for name in (image, base))
    own = whole - minimal
    print(f"| rest: certificates, Debian's records | {(own - total) / 1e6:.1f} |")
    print(f"| **own layers** | **{own / 1e6:.0f}** |")
    print(f"| base | {minimal / 1e6:.0f} |")
    print(f"| **image** | **{whole / 1e6:.0f}** |")


if __name__ == "__main__":
    main(*sys.argv[1:])
