#!/bin/sh
# Build the image of the prediction service.
set -eu
cd "$(dirname "$0")"
exec docker build --file Dockerfile.serving --tag live-xg-serving .
