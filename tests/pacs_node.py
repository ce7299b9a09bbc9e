"""The node, but it is killed at a named point: ``python -m tests.pacs_node POINT NTH``.

It is ``pneumonia pacs serve`` with one function replaced; SIGKILL leaves it no time to clear up.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from pynetdicom.association import Association

from service.cli import main
from service.pacs import spool
from service.pacs.listener import BoundedServer
from service.pacs.spool import Spool
from service.pacs.store import Store

Function = Callable[..., Any]
_left = 0


def _die() -> None:
    global _left
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)


def _before(function: Function, when: Function = lambda *_, **__: True) -> Function:
    def replaced(*words: Any, **options: Any) -> Any:
        if when(*words, **options):
            _die()
        return function(*words, **options)

    return replaced


def _after(function: Function, when: Function = lambda *_, **__: True) -> Function:
    def replaced(*words: Any, **options: Any) -> Any:
        result = function(*words, **options)
        if when(*words, **options):
            _die()
        return result

    return replaced


def _to(state: str) -> Function:
    return lambda _store, row, new, **_: new == state != row.state


def _arriving(_server: BoundedServer, event: Any) -> bool:
    message = event.assoc.dimse.message
    return message is not None and message.data_set.tell() > 0


# point -> what is replaced, by what
POINTS: dict[str, tuple[object, str, Function]] = {
    "before refused": (Store, "move", _before(Store.move, _to("refused"))),
    "after refused": (Store, "move", _after(Store.move, _to("refused"))),
    "during a transfer": (BoundedServer, "_watch", _before(BoundedServer._watch, _arriving)),
    "before a file is written": (Spool, "write", _before(Spool.write)),
    "before its name is on the disk": (spool, "sync_folder", _before(spool.sync_folder)),
    "before its row": (Store, "insert", _before(Store.insert)),
    "after its row": (Store, "insert", _after(Store.insert)),
    "before answered": (Store, "move", _before(Store.move, _to("answered"))),
    "after answered": (Store, "move", _after(Store.move, _to("answered"))),
    "between its results": (Association, "send_c_store", _after(Association.send_c_store)),
    "before stored": (Store, "move", _before(Store.move, _to("stored"))),
    "after stored": (Store, "move", _after(Store.move, _to("stored"))),
    "before dead": (Store, "move", _before(Store.move, _to("dead"))),
    "after dead": (Store, "move", _after(Store.move, _to("dead"))),
    "before done": (Store, "move", _before(Store.move, _to("done"))),
    "after done": (Store, "move", _after(Store.move, _to("done"))),
}

if __name__ == "__main__":
    _left = int(sys.argv[2])
    setattr(*POINTS[sys.argv[1]])
    sys.exit(main(["pacs", "serve"]))
