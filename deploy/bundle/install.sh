#!/bin/sh
# Install the service into the folder venv beside this file, from the files of this folder alone.
# PYTHON=/path/to/python names another Python than python3.
set -eu
cd "$(dirname "$0")"

if ! sha256sum --check --quiet --strict SHA256SUMS; then
	echo "files are missing or damaged: copy the bundle again" >&2
	exit 1
fi

python=${PYTHON:-python3}
tag=$("$python" -c 'import sys; print("cp%d%d" % sys.version_info[:2])')
if ! ls wheels/numpy-*-"$tag"-* >/dev/null 2>&1; then
	echo "this bundle is for $(ls wheels | sed -n 's/^numpy-.*-cp3\([0-9]*\)-.*/Python 3.\1/p'), and $python is $("$python" --version):" \
		"name a fitting one with PYTHON=/path/to/python ./install.sh" >&2
	exit 1
fi

"$python" -m venv --clear venv
venv/bin/python -m pip install --quiet --disable-pip-version-check --no-index --find-links wheels \
	--require-hashes --requirement serving.txt
echo "installed: ./pneumonia serve starts the service on http://127.0.0.1:8000"
