#!/bin/sh
# A DICOM node that asks the service about every X-ray it is sent (docs/dicom.md).
#
#   deploy/pacs/receive.sh            receive and ask until it is stopped
#   deploy/pacs/receive.sh FILE...    ask about these files, and remove those that are answered
#
# SERVICE_URL    of the service                               (http://127.0.0.1:8000)
# SERVICE_KEY    where the service asks for one               (none)
# PACS_PORT      to receive on                                (11112)
# PACS_AET       application entity title                     (PNEUMONIA)
# PACS_FOLDER    where images wait until they are answered    (/dev/shm/pneumonia: in memory)
# PACS_ANSWERS   file that answers are appended to            (answers.jsonl)
# PACS_AT_ONCE   images that are asked about at the same time (2)
#
# Each line of PACS_ANSWERS is {"instance": SOP instance UID, "answer": what POST /predict answered},
# a refusal too. It needs Debian's dcmtk and curl.
set -eu
umask 077

folder=${PACS_FOLDER:-/dev/shm/pneumonia}
answers=${PACS_ANSWERS:-answers.jsonl}

ask() {
    said=$(mktemp)
    status=$(curl --silent --show-error --max-time 120 --output "$said" --write-out '%{http_code}' \
        --header "X-API-Key: ${SERVICE_KEY:-}" --form "file=@$1" \
        "${SERVICE_URL:-http://127.0.0.1:8000}/predict?uids=true") || status=000
    answer=$(cat "$said")
    rm -f -- "$said"
    case $status in
        200 | 400 | 413 | 415 | 422) ;;
        *)
            echo "no answer (status $status) yet for $1" >&2
            return 1
            ;;
    esac
    instance=$(dcmdump --search SOPInstanceUID --search-first "$1" 2>/dev/null |
        sed -n 's/^[^[]*\[\([0-9.]*\)\].*/\1/p')
    printf '{"instance":"%s","answer":%s}\n' "$instance" "$answer" >>"$answers"
    rm -f -- "$1"
}

if [ $# -gt 0 ]; then
    missing=0
    for file in "$@"; do
        ask "$file" || missing=1
    done
    exit $missing
fi

mkdir -p "$folder/arriving" "$folder/waiting"
# names of its own making, so that nothing a sender says gets into the command; a file waits only
# when it is whole
storescp --fork --aetitle "${PACS_AET:-PNEUMONIA}" --accept-all --bit-preserving \
    --unique-filenames --output-directory "$folder/arriving" \
    --exec-on-reception "mv '#p/#f' '$folder/waiting'" "${PACS_PORT:-11112}" &
receiver=$!
trap 'kill "$receiver" 2>/dev/null' EXIT
trap 'exit 0' INT TERM
while kill -0 "$receiver" 2>/dev/null; do
    pause=1
    # overloaded, being replaced, or with another key: what is not answered is asked again
    find "$folder/waiting" -type f -print0 |
        xargs -0 -r -n 1 -P "${PACS_AT_ONCE:-2}" "$0" || pause=5
    sleep "$pause" &
    wait $!
done
