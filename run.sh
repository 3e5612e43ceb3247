#!/bin/sh
# Run the prediction service alone, on loopback; variables below that are set are passed on.
set -eu
exec docker run --rm --init --name live-xg-serving \
    --memory 2g --pids-limit 512 --log-opt max-size=10m --log-opt max-file=3 \
    --read-only --tmpfs /tmp:size=256m --cap-drop ALL --security-opt no-new-privileges \
    --publish "127.0.0.1:${XG_SERVING_PORT:-8890}:8890" \
    --volume live-xg-data:/data \
    --env COMET_API_KEY --env XG_ADMIN_TOKEN --env XG_MODEL --env XG_MAX_CHALLENGERS \
    --env XG_FOLLOW --env XG_FOLLOW_INTERVAL_S \
    --env XG_WORKSPACES --env XG_TRUST_PICKLE_WORKSPACES --env XG_ALLOWED_HOSTS \
    --env COMET_URL_OVERRIDE --env XG_DEFAULT_MODEL --env XG_SERVING_THREADS --env XG_MAX_BODY_MB \
    --env XG_DOWNLOAD_TIMEOUT_S --env XG_TRIAL_TIMEOUT_S --env XG_WORKER_TIMEOUT_S --env XG_MODEL_MAX_MB --env XG_CACHE_MAX_MB \
    --env XG_LOG_LEVEL --env XG_LOG_MAX_DAYS --env XG_LOG_MAX_ROWS \
    live-xg-serving
