"""``pneumonia pacs``: the node, and what people do with it."""

import argparse
import datetime
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from service.errors import InvalidRequest
from service.pacs.settings import PacsSettings, read_pacs_settings
from service.pacs.store import STATES, Row, State, Store

if TYPE_CHECKING:
    from service.cli import Subparsers


def register(subparsers: "Subparsers") -> None:
    """Add the command; all but its arguments is set by the environment (docs/pacs.md)."""
    parser = subparsers.add_parser(
        "pacs",
        description="A DICOM node: takes X-rays from a PACS, asks the service about them, and files"
        " the answers. Configured by PNEUMONIA_PACS_ environment variables.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    serve = commands.add_parser("serve", help="receive, ask and send until it is stopped")
    serve.set_defaults(run=_serve)
    status = commands.add_parser("status", help="how many images are in each state, and why")
    status.set_defaults(run=_status)
    rows = commands.add_parser("list", help="images, one line of JSON each")
    rows.add_argument("--state", choices=STATES, help="only those in this state")
    rows.add_argument("--study", metavar="UID", help="only those of this study")
    rows.add_argument("--last", type=int, default=100, metavar="N", help="default: 100")
    rows.set_defaults(run=_list)
    retry = commands.add_parser("retry", help="try dead images again")
    retry.add_argument("images", nargs="*", type=int, metavar="ID", help="default: all of them")
    retry.set_defaults(run=_retry)
    again = commands.add_parser(
        "reprocess", help="read a study again, after the model or the operating point changed"
    )
    again.add_argument("study", metavar="STUDY_INSTANCE_UID")
    again.set_defaults(run=_reprocess)
    pull = commands.add_parser("pull", help="fetch studies from the DICOMweb server")
    what = pull.add_mutually_exclusive_group(required=True)
    what.add_argument("--date", metavar="YYYYMMDD[-YYYYMMDD]", help="by study date")
    what.add_argument("--accessions", type=Path, metavar="FILE", help="accession number a line")
    what.add_argument("--worklist", type=Path, metavar="FILE", help="Study Instance UID a line")
    pull.set_defaults(run=_pull)


def _serve(_: argparse.Namespace) -> int:
    from service.pacs.node import serve
    from service.process.logs import configure_logging

    settings = read_pacs_settings()
    configure_logging(settings.log_level)
    serve(settings)
    return 0


def _status(_: argparse.Namespace) -> int:
    settings = read_pacs_settings()
    store = _existing_store(settings)
    for state, count in store.counts().items():
        print(f"{state:10}{count:8}")
    oldest = store.oldest_waiting()
    if oldest is not None:
        print(f"the image that waits longest has waited {time.time() - oldest:.0f} s")
    for trouble in store.ask("SELECT * FROM troubles ORDER BY worker"):
        since = _when(trouble["since"])
        print(f"{trouble['worker']}: waiting since {since}: {trouble['reason']}")
    asked = store.ask("SELECT answer, shadow FROM images WHERE answer NOT NULL AND shadow NOT NULL")
    pairs = Counter((_said(row["answer"]), _said(row["shadow"])) for row in asked)
    for (first, second), count in sorted(pairs.items()):
        print(f"answered {first}, by the shadow service {second}: {count}")
    return 0


def _said(answer: str) -> str:
    """The decision, the code of a refusal, or that there was no answer."""
    content = json.loads(answer)
    return str(content.get("decision") or content.get("code") or "not at all")


def _list(arguments: argparse.Namespace) -> int:
    store = _existing_store(read_pacs_settings())
    where, values = ["1"], []
    for column, value in (("state", arguments.state), ("study_instance_uid", arguments.study)):
        if value:
            where.append(f"{column} = ?")
            values.append(value)
    last = f"id IN (SELECT id FROM images WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?)"  # noqa: S608
    for row in store.rows(last, (*values, arguments.last)):
        print(json.dumps(_described(row)))
    return 0


def _retry(arguments: argparse.Namespace) -> int:
    store = _existing_store(read_pacs_settings())
    dead = {row.id: row for row in store.rows("state = 'dead'")}
    for number in arguments.images or dead:
        if number not in dead:
            raise InvalidRequest(f"Image {number} is not dead: `pneumonia pacs list` shows them.")
        row = dead[number]
        state: State = "answered" if row.answer else "received"
        store.move(row, state, over_at=None, reason=None)
        print(f"{number}: {state}")
    return 0


def _reprocess(arguments: argparse.Namespace) -> int:
    from service.pacs.pull import reprocess

    settings = read_pacs_settings()
    count = reprocess(settings, _existing_store(settings), arguments.study)
    print(f"{count} images are queued; the running node reads them again")
    return 0


def _pull(arguments: argparse.Namespace) -> int:
    from service.pacs.node import open_store
    from service.pacs.pull import Puller

    settings = read_pacs_settings()
    puller = Puller(settings, open_store(settings), lambda line: print(line, file=sys.stderr))
    if arguments.date:
        studies = puller.by_date(arguments.date)
    elif arguments.accessions:
        studies = puller.by_accession(_lines(arguments.accessions))
    else:
        studies = _lines(arguments.worklist)
    counts = puller.pull(studies)
    print(json.dumps(counts))
    return int(counts["failed"] > 0)


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{path} cannot be read: {error}.") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _existing_store(settings: PacsSettings) -> Store:
    from service.pacs.node import DATABASE, open_store

    if not (settings.folder / DATABASE).exists():
        raise InvalidRequest(f"There is no node in {settings.folder}: set PNEUMONIA_PACS_FOLDER.")
    return open_store(settings)


def _described(row: Row) -> dict[str, object]:
    answer = json.loads(row.answer) if row.answer else {}
    return {
        "image": row.id,
        "state": row.state,
        "received": _when(row.received_at),
        "over": _when(row.over_at) if row.over_at else None,
        "sender": row.sender,
        "study_instance_uid": row.study_instance_uid,
        "sop_instance_uid": row.sop_instance_uid,
        "operating_point": row.operating_point,
        "model_sha256": row.model_sha256,
        "request_id": answer.get("request_id"),
        "decision": answer.get("decision"),
        "probability": answer.get("probability"),
        "shadow": json.loads(row.shadow) if row.shadow else None,
        "failures": row.failures,
        "reason": row.reason,
    }


def _when(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")
