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
# PACS_AGAIN     minutes until one without an answer is asked about again (0.25)
#
# Each line of PACS_ANSWERS is {"instance": SOP instance UID, "answer": what POST /predict answered},
# a refusal too. An image is removed when its line is written; if it is stopped between the two, the
# image is asked about, and gets a line, once more. It needs Debian's dcmtk and curl.
set -eu
umask 077

folder=${PACS_FOLDER:-/dev/shm/pneumonia}
answers=${PACS_ANSWERS:-answers.jsonl}
self=$(realpath "$0")

# Whether an answer, its status and type and its text, is the service's last word about an image.
is_final() {
    case $1 in
        "200 application/json" | "422 application/problem+json") ;;
        "413 application/problem+json" | "415 application/problem+json") ;;
        "400 application/problem+json")
            case $2 in *'"code":"undecodable_image"'*) ;; *) return 1 ;; esac
            ;;
        *) return 1 ;;
    esac
}

ask() {
    said=$(mktemp) || return 1
    # by standard input: a command line can be read by everybody on the machine
    got=$(printf 'X-API-Key: %s\n' "${SERVICE_KEY:-}" |
        curl --silent --show-error --max-time 120 --header @- --form "file=@$1" \
            --output "$said" --write-out '%{http_code} %{content_type}' \
            "${SERVICE_URL:-http://127.0.0.1:8000}/predict?uids=true") || got="nothing"
    answer=$(cat "$said")
    rm -f -- "$said"
    if ! is_final "$got" "$answer"; then
        echo "no answer yet ($got) for $1" >&2
        return 1
    fi
    instance=$(dcmdump --search SOPInstanceUID --search-first "$1" 2>/dev/null |
        sed -n 's/^[^[]*\[\([0-9.]*\)\].*/\1/p')
    printf '{"instance":"%s","answer":%s}\n' "$instance" "$answer" >>"$answers" || return 1
    rm -f -- "$1"
}

# The same for one that waits; without an answer it makes way for others.
ask_or_put_aside() {
    ask "$1" && return
    touch -- "$1"
    case $1 in "$folder/again/"*) ;; *) mv -- "$1" "$folder/again/" ;; esac
}

# Those that came since, and a few of those whose time has come again.
next_files() {
    find "$folder/waiting" -type f -print0
    find "$folder/again" -type f -mmin "+${PACS_AGAIN:-0.25}" -print0 | head -z -n 8
}

if [ "${1:-}" = --waiting ]; then
    ask_or_put_aside "$2"
    exit
fi
if [ $# -gt 0 ]; then
    missing=0
    for file in "$@"; do
        ask "$file" || missing=1
    done
    exit $missing
fi

: >>"$answers" # one that cannot be written must not be found out later
mkdir -p "$folder/arriving" "$folder/waiting" "$folder/again"
# what an earlier run had received, and was stopped before it moved it
find "$folder/arriving" -type f -exec mv {} "$folder/waiting/" \;
# names of its own making, so that nothing a sender says gets into the command; a file waits only
# when it is whole
storescp --fork --aetitle "${PACS_AET:-PNEUMONIA}" --accept-all --bit-preserving \
    --unique-filenames --output-directory "$folder/arriving" \
    --exec-on-reception "mv '#p/#f' '$folder/waiting/'" "${PACS_PORT:-11112}" &
receiver=$!
asking=
# shellcheck disable=SC2086 # there may be nobody asking
trap 'kill "$receiver" $asking 2>/dev/null' EXIT
trap 'exit 0' INT TERM
while kill -0 "$receiver" 2>/dev/null; do
    next_files | xargs -0 -r -n 1 -P "${PACS_AT_ONCE:-2}" "$self" --waiting &
    asking=$!
    wait "$asking" || true
    sleep 1 &
    asking=$!
    wait "$asking" || true
done
