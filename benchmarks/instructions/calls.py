r"""Calls of models between two marks, to count their instructions on 32-bit ARM under qemu.

In a root file system of Debian 13 for armhf with python3-onnxruntime, here $ROOT, and with the plugin beside this file:

    qemu-arm -L $ROOT -plugin plugin.so -E PYTHONHOME=$ROOT/usr -E PYTHONPATH=$ROOT/usr/lib/python3/dist-packages \
        $ROOT/usr/bin/python3 benchmarks/instructions/calls.py WINDOWS.npy MODEL...

Libraries may have to be named by -E LD_LIBRARY_PATH. Each call is named, and stands between two counts.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import onnxruntime

CALLS = ((1, 100), (1, 2000), (64, 500))
"""How many windows of the file, and from which on."""


def main() -> None:
    """Load each model and call it."""
    windows = np.load(sys.argv[1])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    for path in map(Path, sys.argv[2:]):
        session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
        for count, start in CALLS:
            asked = {"telemetry": windows[start : start + count]}
            # The first calls make what later ones find.
            for _ in range(3):
                session.run(None, asked)
            print(f"{path.name}: {count} from {start}", file=sys.stderr, flush=True)
            os.getppid()
            session.run(None, asked)
            os.getppid()


if __name__ == "__main__":
    main()
