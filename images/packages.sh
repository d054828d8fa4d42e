#!/bin/sh
# Put what a lock names into a folder, for a processor that may be another than this one's; no package's code is run
# but that of the one which has no wheel.
#
#     packages.sh LOCK FOLDER PLATFORM...
set -eu
lock=$1 folder=$2
shift 2

# paho-mqtt 1.6.1 is there as source only, which pip does not take together with a platform; it is pure Python.
awk '/^[a-z]/ { chosen = /^paho-mqtt==/ } chosen' "$lock" > /tmp/source.txt
awk '/^[a-z]/ { chosen = !/^paho-mqtt==/ } chosen' "$lock" > /tmp/wheels.txt
platforms=$(printf -- '--platform %s ' "$@")
# One word for each platform.
# shellcheck disable=SC2086
pip install --no-cache-dir --no-compile --no-deps --require-hashes --requirement /tmp/wheels.txt --target "$folder" \
    --only-binary=:all: --implementation cp --python-version 3.13 $platforms
pip install --no-cache-dir --no-compile --no-deps --require-hashes --requirement /tmp/source.txt --target "$folder" \
    --no-build-isolation

# What only serves to develop or to convert models; the extension module of onnxruntime holds all of the library.
cd "$folder"
rm -rf bin onnxruntime/capi/libonnxruntime.so.* onnxruntime/datasets onnxruntime/quantization onnxruntime/tools onnxruntime/transformers \
    numpy/_core/include numpy/_core/lib numpy/_core/tests numpy/distutils numpy/f2py numpy/doc
find . -type d -name tests -prune -exec rm -rf {} +
find . -name '*.pyi' -delete
# By content, not by date: dates do not survive all ways of copying.
python3 -m compileall -q --invalidation-mode unchecked-hash .
