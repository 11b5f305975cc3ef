"""Shell lines of rc files."""

import os
import subprocess
import threading
from codecs import IncrementalDecoder, getincrementaldecoder
from select import POLLIN, poll
from time import monotonic
from typing import Callable, Dict, List, Tuple

LAST_OUTPUT_SECONDS = 0.1
"""How long ``run`` reads output after the end of the shell, while a background process still holds its
pipes."""

CHUNK = 64 * 1024


def run_bash(
    command: str, emit: Callable[[str, str], None], children: "List[subprocess.Popen[bytes]]"
) -> int:
    """Runs ``bash -c`` and passes its output on.

    :param emit: called with ``"stdout"`` or ``"stderr"``, and text
    :param children: the process is in this list while it runs, so that the host can kill it
    :returns: exit status, or minus the number of the signal that ended it
    """
    with subprocess.Popen(
        ["bash", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        children.append(child)
        try:
            _pass_on(child, emit)
            return child.wait()
        finally:
            children.remove(child)


def _pass_on(child: "subprocess.Popen[bytes]", emit: Callable[[str, str], None]) -> None:
    assert child.stdout is not None and child.stderr is not None
    decoder = getincrementaldecoder("utf-8")
    pipes: Dict[int, Tuple[str, IncrementalDecoder]] = {
        child.stdout.fileno(): ("stdout", decoder("replace")),
        child.stderr.fileno(): ("stderr", decoder("replace")),
    }
    poller = poll()
    for descriptor in pipes:
        poller.register(descriptor, POLLIN)
    # The end of the process shows here before its pipes close, if another process holds them.
    ending, closes_at_end = os.pipe()
    poller.register(ending, POLLIN)
    threading.Thread(target=_close_at_end, args=(child, closes_at_end), daemon=True).start()
    deadline = None
    try:
        while pipes:
            remaining = None if deadline is None else deadline - monotonic()
            if remaining is not None and remaining <= 0:
                return
            for descriptor, _event in poller.poll(None if remaining is None else int(remaining * 1000 + 0.999)):
                if descriptor == ending:
                    deadline = monotonic() + LAST_OUTPUT_SECONDS
                    poller.unregister(ending)
                    continue
                chunk = os.read(descriptor, CHUNK)
                stream, state = pipes[descriptor]
                text = state.decode(chunk, not chunk)
                if text:
                    emit(stream, text)
                if not chunk:
                    poller.unregister(descriptor)
                    del pipes[descriptor]
    finally:
        os.close(ending)


def _close_at_end(child: "subprocess.Popen[bytes]", descriptor: int) -> None:
    child.wait()
    os.close(descriptor)
