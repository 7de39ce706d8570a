"""Run a command of tokser in this process, and say where its time went, as JSON on the last line.

`python journey_runner.py WORK... -- ARGUMENT...`: each WORK is `NAME=module:function`; the time in
which any thread is in it, imports left out, is counted under NAME.
"""

import _frozen_importlib
import importlib
import json
import sys
import threading
import time
from typing import Any

spent = {"imports": 0.0}
_depth = 0
_find_and_load = _frozen_importlib._find_and_load


def _timed_import(*arguments: Any) -> Any:
    global _depth
    _depth += 1
    begun = time.perf_counter()
    try:
        return _find_and_load(*arguments)
    finally:
        _depth -= 1
        if _depth == 0:
            spent["imports"] += time.perf_counter() - begun


def _count(name: str, place: str) -> None:
    """Count under `name` what is spent in a function."""
    module, _, path = place.partition(":")
    owner: Any = importlib.import_module(module)
    *parents, last = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    inner = getattr(owner, last)
    spent[name] = 0.0
    lock, entered = threading.Lock(), [0, 0.0, 0.0]  # threads in it, when the first came, imports

    def outer(*arguments: Any, **options: Any) -> Any:
        with lock:
            if not entered[0]:
                entered[1:] = [time.perf_counter(), spent["imports"]]
            entered[0] += 1
        try:
            return inner(*arguments, **options)
        finally:
            with lock:
                entered[0] -= 1
                if not entered[0]:
                    within = spent["imports"] - entered[2]
                    spent[name] += time.perf_counter() - entered[1] - within

    setattr(owner, last, outer)


def main() -> None:
    """Run the command."""
    begun = time.perf_counter()
    _frozen_importlib._find_and_load = _timed_import
    end = sys.argv.index("--")
    from tokser.cli.main import main as run

    for work in sys.argv[1:end]:
        _count(*work.split("=", 1))
    code: object = 0
    try:
        run(sys.argv[end + 1 :])
    except SystemExit as error:
        code = error.code
    spent["inside"] = time.perf_counter() - begun
    sys.stdout.write("\n" + json.dumps(spent) + "\n")
    sys.exit(1 if code else 0)


if __name__ == "__main__":
    main()
