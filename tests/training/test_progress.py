"""Long work shows how far it is."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

SHOWN = """
import time
from training.progress import told
with told() as tell:
    tell("pumps: fitting", 0, 4)
    tell("pumps: fitted 1 of 4", 1, 4)
    time.sleep(0.5)
"""


def test_a_terminal_shows_a_bar_with_the_time():
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {**os.environ, "TERM": "xterm"}
    process = subprocess.Popen([sys.executable, "-c", SHOWN], stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 4096):
            shown += chunk
    except OSError:
        # Its end has closed.
        assert process.wait() == 0
    finally:
        os.close(ours)
    assert b"pumps: fitted 1 of 4" in shown
    assert b"1/4" in shown
    assert b"0:00:0" in shown


def test_elsewhere_each_step_is_a_line():
    ended = subprocess.run([sys.executable, "-c", SHOWN], capture_output=True, text=True, check=True)
    assert ended.stderr == "pumps: fitting\npumps: fitted 1 of 4\n"
